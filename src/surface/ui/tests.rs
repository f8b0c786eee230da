//! What the embedded pages promise: sizes, headers, and that nothing is named that is not there.

#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    clippy::get_unwrap,
    reason = "the names are our own, and what is not there fails the test"
)]

use super::*;

#[cfg(not(feature = "ui"))]
#[test]
fn without_the_feature_the_answer_says_that_the_pages_were_left_out() {
    let answer = respond("/admin/", true, None);
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(LEFT_OUT.contains("feature `ui`"));
}

#[cfg(feature = "ui")]
mod embedded_pages {
    //! With the feature `ui`.
    use std::collections::BTreeSet;
    use std::io::Read as _;

    use super::*;

    const KB: usize = 1024;

    fn header<'a>(answer: &'a Response<Body>, name: &str) -> &'a str {
        answer.headers().get(name).map_or("", |it| it.to_str().unwrap())
    }

    fn index_text() -> &'static str {
        std::str::from_utf8(admin_index().unwrap().raw).unwrap()
    }

    /// Every `/admin/…` address that the page names.
    fn named_by_index() -> BTreeSet<&'static str> {
        index_text().split('"').filter(|it| it.starts_with("/admin/")).collect()
    }

    fn is_words(it: &Asset) -> bool {
        it.path.starts_with("/admin/en-") || it.path.starts_with("/admin/de-")
    }

    /// Budget of `ui.md`: shell, framework, style and the larger catalogue of words within 45 KB of gzip.
    #[test]
    fn what_the_first_page_needs_stays_within_45_kb() {
        let boot: usize = named_by_index().iter().map(|path| asset(path).unwrap().gzip.len()).sum();
        let words = assets().filter(is_words).map(|it| it.gzip.len()).max().unwrap();
        assert!(boot + words <= 45 * KB, "boot is {} bytes", boot + words);
    }

    /// Budget of `ui.md`: a page's module within 8 KB of gzip.
    #[test]
    fn each_page_module_stays_within_8_kb() {
        let boot = named_by_index();
        for it in assets().filter(|it| it.path.ends_with(".js") && !boot.contains(it.path) && !is_words(it)) {
            assert!(it.gzip.len() <= 8 * KB, "{} is {} bytes", it.path, it.gzip.len());
        }
    }

    #[test]
    fn the_page_holds_no_inline_script_or_style_and_names_only_files_that_exist() {
        let text = index_text();
        assert!(!text.contains("<style") && !text.contains("style=") && !text.contains("onload"));
        assert!(text.matches("<script").count() == 1 && text.contains("></script>"));
        assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("{{"));
        assert!(named_by_index().len() >= 3);
        for path in named_by_index() {
            assert!(asset(path).is_some(), "{path} is named and not embedded");
        }
    }

    #[test]
    fn modules_import_only_modules_that_are_embedded() {
        for it in assets().filter(|it| it.path.ends_with(".js")) {
            let text = std::str::from_utf8(it.raw).unwrap();
            for rest in text.split("\"./").skip(1) {
                let name = rest.split('"').next().unwrap();
                if name.ends_with(".js") {
                    assert!(asset(&format!("/admin/{name}")).is_some(), "{} imports {name}", it.path);
                }
            }
        }
    }

    /// Also proves that the German catalogue has every word of the English one: the types say so.
    #[test]
    fn the_sources_pass_the_strict_type_checker() {
        let work = std::path::Path::new(concat!(env!("OUT_DIR"), "/ui"));
        let checker = work.join("node_modules/typescript/bin/tsc");
        if !checker.exists() {
            eprintln!("skipped: the type checker is not installed in release builds");
            return;
        }
        let output =
            std::process::Command::new("node").arg(checker).arg("--noEmit").current_dir(work).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    #[test]
    fn the_compressed_form_unpacks_to_the_plain_one() {
        for it in assets() {
            assert_eq!(it.gzip.get(..2), Some([0x1f, 0x8b].as_slice()), "{}", it.path);
            assert!(!it.raw.is_empty() && it.sha256.len() == 64);
            let mut size = [0; 4];
            let at = it.gzip.len().checked_sub(4).unwrap();
            it.gzip.get(at..).unwrap().read_exact(&mut size).unwrap();
            assert_eq!(u32::from_le_bytes(size), u32::try_from(it.raw.len()).unwrap(), "{}", it.path);
        }
    }

    #[test]
    fn a_place_inside_the_admin_is_answered_by_the_page_under_the_policy() {
        for path in ["/admin/", "/admin/orders", "/admin/orders/ord_01h", "/admin/sign-in"] {
            let answer = respond(path, false, None);
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            assert_eq!(header(&answer, "content-type"), "text/html; charset=utf-8");
            assert_eq!(header(&answer, "cache-control"), CACHE_ASK);
            assert_eq!(header(&answer, "content-security-policy"), CONTENT_SECURITY);
            assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        }
        assert!(CONTENT_SECURITY.contains("; connect-src 'self';"));
    }

    #[test]
    fn a_hashed_file_may_be_kept_for_ever_and_comes_compressed_when_asked() {
        let style = assets().find(|it| it.path.ends_with(".css")).unwrap();
        let answer = respond(style.path, true, None);
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(header(&answer, "content-encoding"), "gzip");
        assert_eq!(header(&answer, "vary"), "accept-encoding");
        assert_eq!(header(&answer, "cache-control"), CACHE_FOREVER);
        assert_eq!(header(&respond(style.path, false, None), "content-encoding"), "");
    }

    #[test]
    fn a_known_tag_is_answered_without_a_body() {
        let index = admin_index().unwrap();
        for tag in [index.etag(false), index.etag(true), format!("\"other\", W/{}", index.etag(true)), "*".to_owned()] {
            let answer = respond("/admin/", true, Some(&tag));
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{tag}");
            assert_eq!(header(&answer, "content-type"), "");
        }
        assert_eq!(respond("/admin/", true, Some("\"other\"")).status(), StatusCode::OK);
    }

    #[test]
    fn a_file_that_is_not_there_is_not_answered_by_the_page() {
        for path in
            ["/admin/app-OLD.js", "/admin/../secret.txt", "/admin/.env", "/admin/node_modules/preact/package.json"]
        {
            let answer = respond(path, true, None);
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(header(&answer, "cache-control"), "no-store");
        }
    }

    #[test]
    fn the_admin_without_its_slash_moves_to_the_one_with_it() {
        let answer = respond("/admin", false, None);
        assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(header(&answer, "location"), "/admin/");
    }
}
