//! Pages for people: server-rendered HTML, Chinese first and English beside it, readable without scripts.
//!
//! Nothing comes from elsewhere: style and script are served by us, pictures stand in the page itself. The policy of
//! content forbids everything else, so a stranger's file cannot bring a script into a page.

pub mod report;
pub(crate) mod verify;

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::problem::Problem;

/// What a page may load: our style and script, pictures that stand in the page itself, forms back to us.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; form-action 'self'; \
                              base-uri 'none'; frame-ancestors 'none'";
/// The style of all pages.
const STYLE: &str = include_str!("style.css");
/// What a page that stands alone may load: the style that it carries, known by its SHA-256, and pictures that stand in it.
const ALONE_POLICY: &str = "default-src 'none'; style-src 'sha256-8oERHhH/qbFVKT9WtQAWYud8o1w66JQ7+dWsBH66op0='; img-src data:; \
                            base-uri 'none'; form-action 'none'";
/// What the script adds: dropping a file, printing. Everything works without it.
const SCRIPT: &str = include_str!("page.js");
/// Query of a page in large print (关怀模式).
const LARGE: &str = "large=1";

/// Whether a path is one of a page, so that refusals there are pages too.
pub(crate) fn is_page(path: &str) -> bool {
    path == "/verify"
}

/// Whether the page is wanted in large print.
fn is_large(request: &Request) -> bool {
    request.uri().query().is_some_and(|query| query == LARGE)
}

/// A finished page.
fn page<T: Template>(status: StatusCode, template: &T) -> Result<Response, Problem> {
    let text = template.render().map_err(|broken| Problem::internal(&broken))?;
    Ok(answer(status, "text/html; charset=utf-8", text))
}

/// A page that carries its style.
pub(crate) fn standalone_page(text: String) -> Response {
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", text);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(ALONE_POLICY));
    response
}

fn answer(status: StatusCode, kind: &'static str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY)),
    ];
    (status, headers, text).into_response()
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    large: bool,
    status: u16,
    code: &'a str,
    title: &'a str,
    detail: &'a str,
    advice: &'static str,
    request_id: &'a str,
}

/// A refusal as a page. `None` where the page cannot be made, and the problem document has to do.
pub(crate) fn problem_page(problem: &Problem, request_id: &str) -> Option<Response> {
    let advice = match problem.code() {
        "too-large" => "文件太大，请缩小后重试。",
        "busy" => "当前使用的人较多，请稍后重试。",
        "too-slow" | "timed-out" => "上传或处理超时，请检查网络后重试。",
        "field-missing" => "请先选择一个文件。",
        "method-refused" => "请从验证页面提交文件。",
        _ if problem.status().is_client_error() => "请求无法处理，请返回后重试。",
        _ => "服务暂时不可用，请稍后重试。",
    };
    let (status, code) = (problem.status(), problem.code());
    let (title, detail) = (problem.title(), problem.detail());
    let template = ProblemPage { large: false, status: status.as_u16(), code, title, detail, advice, request_id };
    page(status, &template).ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::crypto::digest::sha256;

    #[test]
    fn the_policy_of_a_page_that_stands_alone_names_its_style() {
        let style = format!("'sha256-{}'", STANDARD.encode(sha256(STYLE.as_bytes())));
        assert!(ALONE_POLICY.contains(&style), "the style is now {style}");
    }
}
