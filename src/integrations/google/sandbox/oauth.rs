//! The sandbox's token service: it verifies the assertion's signature against the public half of the key it has handed out.

use super::state::World;
use super::{Reply, SandboxConfig, decoded};
use crate::base::clock::Timestamp;
use crate::integrations::google::token::{GRANT, SCOPE, ServiceAccount};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// What Google says of a token's life.
const EXPIRES_IN_S: u64 = 3_599;
/// How far an assertion's time may be off.
const SKEW_S: i64 = 300;
const CLOCK: &str = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
                     Check your iat and exp values in the JWT claim.";

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    scope: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// Exchanges an assertion for an access token.
pub(super) fn token(
    world: &mut World,
    config: &SandboxConfig,
    account: &ServiceAccount,
    audience: &str,
    form: &[u8],
) -> Reply {
    if world.faults.error_503 {
        return refused(503, "temporarily_unavailable", "The service is currently unavailable.");
    }
    if world.faults.invalid_grant {
        return refused(400, "invalid_grant", "Token has been expired or revoked.");
    }
    let form = String::from_utf8_lossy(form);
    let field = |name: &str| {
        let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(&value.replace('+', " "))).unwrap_or_default()
    };
    if field("grant_type") != GRANT {
        return refused(400, "unsupported_grant_type", "Invalid grant_type");
    }
    let now = config.clock.now();
    if let Err((error, description)) = verify(&field("assertion"), account, audience, now) {
        return refused(400, error, description);
    }
    let mut random = [0_u8; 24];
    config.entropy.fill(&mut random);
    world.token_exchanges = world.token_exchanges.saturating_add(1);
    // The number keeps tokens apart also where the random source is not one.
    let token = format!("ya29.c.{}{}", URL_SAFE_NO_PAD.encode(random), world.token_exchanges);
    world.tokens.retain(|_, ends| *ends > now);
    world.tokens.insert(token.clone(), now.plus(Duration::from_secs(EXPIRES_IN_S)));
    Reply { status: 200, body: json!({"access_token": token, "expires_in": EXPIRES_IN_S, "token_type": "Bearer"}) }
}

fn refused(status: u16, error: &str, description: &str) -> Reply {
    Reply { status, body: json!({"error": error, "error_description": description}) }
}

fn verify(
    assertion: &str,
    account: &ServiceAccount,
    audience: &str,
    now: Timestamp,
) -> Result<(), (&'static str, &'static str)> {
    let malformed = ("invalid_grant", "Bad Request");
    let bad_signature = ("invalid_grant", "Invalid JWT Signature.");
    let (input, signature) = assertion.rsplit_once('.').ok_or(malformed)?;
    let (header, claims) = input.split_once('.').ok_or(malformed)?;
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_not_base64url| malformed);
    let header: Header = serde_json::from_slice(&part(header)?).map_err(|_shape| malformed)?;
    let claims: Claims = serde_json::from_slice(&part(claims)?).map_err(|_shape| malformed)?;
    if header.alg != "RS256" || header.kid != account.key_id {
        return Err(bad_signature);
    }
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, account.public_key())
        .verify(input.as_bytes(), &part(signature)?)
        .map_err(|_forged| bad_signature)?;
    let now = now.seconds();
    let life = claims.exp.saturating_sub(claims.iat);
    if !(1..=3_600).contains(&life)
        || claims.iat > now.saturating_add(SKEW_S)
        || claims.exp <= now.saturating_sub(SKEW_S)
    {
        return Err(("invalid_grant", CLOCK));
    }
    if claims.iss != account.client_email {
        return Err(("invalid_grant", "Invalid grant: account not found"));
    }
    if claims.aud != audience {
        return Err(("invalid_grant", "Invalid JWT: Failed audience check."));
    }
    if !claims.scope.split(' ').any(|scope| scope == SCOPE) {
        return Err(("invalid_scope", "Invalid OAuth scope or ID token audience provided."));
    }
    Ok(())
}
