//! Every SQL text of users, tokens, sessions and links.

use super::model::TokenRow;
use crate::base::clock::Timestamp;
use crate::base::id::{LinkId, SessionId, TokenId, UserId};
use crate::infra::db::{DbError, ReadTx, WriteTx};
use rusqlite::Row;

// --- users

/// A person who signs in.
#[derive(Clone)]
pub struct UserRow {
    /// Id.
    pub id: UserId,
    /// E-mail address, unique in the store whatever its case.
    pub email: String,
    /// Name.
    pub name: String,
    /// Argon2id in PHC form; none for who signs in by link only.
    pub password_hash: Option<String>,
    /// JSON array of names.
    pub permissions: String,
    /// Whether the user may sign in.
    pub is_active: bool,
}

const USER_COLUMNS: &str = "id, email, name, password_hash, permissions, state FROM auth_user";

fn user_row(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    Ok(UserRow {
        id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        password_hash: row.get(3)?,
        permissions: row.get(4)?,
        is_active: row.get::<_, String>(5)? == "active",
    })
}

/// Adds a user.
pub fn user_insert(tx: &WriteTx<'_>, user: &UserRow, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO auth_user (id, email, name, password_hash, permissions, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (user.id, &user.email, &user.name, &user.password_hash, &user.permissions, now),
    )?;
    Ok(())
}

/// One user.
pub fn user_get(tx: &ReadTx<'_>, id: UserId) -> Result<Option<UserRow>, DbError> {
    tx.one(&format!("SELECT {USER_COLUMNS} WHERE id = ?1"), [id], user_row)
}

/// The user of an e-mail address.
pub fn user_of_email(tx: &ReadTx<'_>, email: &str) -> Result<Option<UserRow>, DbError> {
    tx.one(&format!("SELECT {USER_COLUMNS} WHERE email = ?1"), [email], user_row)
}

// --- tokens

const TOKEN_COLUMNS: &str =
    "id, name, secret_hash, permissions, created_ms, expires_ms, revoked_ms, last_used_ms FROM auth_token";

fn token_row(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        id: row.get(0)?,
        name: row.get(1)?,
        secret_hash: row.get(2)?,
        permissions: row.get(3)?,
        created: row.get(4)?,
        expires: row.get(5)?,
        revoked: row.get(6)?,
        last_used: row.get(7)?,
    })
}

/// Adds a token.
pub fn token_insert(tx: &WriteTx<'_>, token: &TokenRow) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO auth_token (id, name, secret_hash, permissions, created_ms, expires_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (token.id, &token.name, token.secret_hash, &token.permissions, token.created, token.expires),
    )?;
    Ok(())
}

/// One token.
pub fn token_get(tx: &ReadTx<'_>, id: TokenId) -> Result<Option<TokenRow>, DbError> {
    tx.one(&format!("SELECT {TOKEN_COLUMNS} WHERE id = ?1"), [id], token_row)
}

/// Tokens before `before`, newest first.
pub fn tokens_list(tx: &ReadTx<'_>, before: Option<[u8; 16]>, limit: u32) -> Result<Vec<TokenRow>, DbError> {
    let before = before.unwrap_or([0xff; 16]);
    tx.all(&format!("SELECT {TOKEN_COLUMNS} WHERE id < ?1 ORDER BY id DESC LIMIT ?2"), (before, limit), token_row)
}

/// Takes a token back. False when it was already.
pub fn token_revoke(tx: &WriteTx<'_>, id: TokenId, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.run("UPDATE auth_token SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL", (id, now))? == 1)
}

/// Notes a use, unless a later one is noted.
pub fn token_used(tx: &WriteTx<'_>, id: TokenId, at: Timestamp) -> Result<(), DbError> {
    tx.run("UPDATE auth_token SET last_used_ms = max(coalesce(last_used_ms, 0), ?2) WHERE id = ?1", (id, at))?;
    Ok(())
}

// --- sessions

/// A signed-in browser, with what its user may do.
pub struct SessionRow {
    /// Whose.
    pub user: UserId,
    /// SHA-256 of the secret's text.
    pub secret_hash: [u8; 32],
    /// Not valid from then on.
    pub expires: Timestamp,
    /// JSON array of names.
    pub permissions: String,
    /// Whether the user may sign in.
    pub is_active: bool,
}

/// Adds a session, and forgets those of the same user that are over.
pub fn session_insert(
    tx: &WriteTx<'_>,
    id: SessionId,
    user: UserId,
    secret_hash: [u8; 32],
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), DbError> {
    tx.run("DELETE FROM auth_session WHERE user_id = ?1 AND expires_ms <= ?2", (user, now))?;
    tx.run(
        "INSERT INTO auth_session (id, user_id, secret_hash, created_ms, expires_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        (id, user, secret_hash, now, expires),
    )?;
    Ok(())
}

/// One session.
pub fn session_get(tx: &ReadTx<'_>, id: SessionId) -> Result<Option<SessionRow>, DbError> {
    tx.one(
        "SELECT s.user_id, s.secret_hash, s.expires_ms, u.permissions, u.state
         FROM auth_session s JOIN auth_user u ON u.id = s.user_id WHERE s.id = ?1",
        [id],
        |row| {
            Ok(SessionRow {
                user: row.get(0)?,
                secret_hash: row.get(1)?,
                expires: row.get(2)?,
                permissions: row.get(3)?,
                is_active: row.get::<_, String>(4)? == "active",
            })
        },
    )
}

/// Ends a session. False when there is none.
pub fn session_delete(tx: &WriteTx<'_>, id: SessionId) -> Result<bool, DbError> {
    Ok(tx.run("DELETE FROM auth_session WHERE id = ?1", [id])? == 1)
}

// --- links

/// A code that starts one session.
pub struct LinkRow {
    /// Whose session.
    pub user: UserId,
    /// SHA-256 of the secret's text.
    pub secret_hash: [u8; 32],
    /// Not valid from then on.
    pub expires: Timestamp,
    /// Used.
    pub used: Option<Timestamp>,
}

/// Adds a link, and forgets those of the same user that ended before `forget`.
pub fn link_insert(tx: &WriteTx<'_>, id: LinkId, link: &LinkRow, forget: Timestamp) -> Result<(), DbError> {
    tx.run("DELETE FROM auth_link WHERE user_id = ?1 AND expires_ms <= ?2", (link.user, forget))?;
    tx.run(
        "INSERT INTO auth_link (id, user_id, secret_hash, expires_ms) VALUES (?1, ?2, ?3, ?4)",
        (id, link.user, link.secret_hash, link.expires),
    )?;
    Ok(())
}

/// One link.
pub fn link_get(tx: &ReadTx<'_>, id: LinkId) -> Result<Option<LinkRow>, DbError> {
    tx.one("SELECT user_id, secret_hash, expires_ms, used_ms FROM auth_link WHERE id = ?1", [id], |row| {
        Ok(LinkRow { user: row.get(0)?, secret_hash: row.get(1)?, expires: row.get(2)?, used: row.get(3)? })
    })
}

/// Marks a link as used. False when it was already.
pub fn link_use(tx: &WriteTx<'_>, id: LinkId, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.run("UPDATE auth_link SET used_ms = ?2 WHERE id = ?1 AND used_ms IS NULL", (id, now))? == 1)
}
