//! Calls of gRPC, which end by their trailers.

use portcullis::http::ByGrpcStatus;

use super::*;

fn grpc(response: Response<Script>) -> Response<Script> {
    with(CONTENT_TYPE, "application/grpc+proto", response)
}

fn stream_to(status: Option<&'static str>) -> Response<Script> {
    grpc(ok([Step::Data(5), Step::Trailers(status)]))
}

#[tokio::test(start_paused = true)]
async fn the_trailers_decide() {
    let gate = Watched::by(whole());
    for (status, outcome) in [
        (Some("0"), "Success"),
        (Some("5"), "Success"),
        (Some("14"), "Failure"),
        (Some("4"), "Timeout"),
        (Some("1"), "Cancelled"),
        (None, "Failure"),
    ] {
        assert_eq!(gate.read(stream_to(status)).await, [outcome], "{status:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_trailers_was_cut_off() {
    let gate = Watched::by(whole());
    assert_eq!(gate.read(grpc(ok([Step::Data(5)]))).await, ["Failure"]);
    let frank = Script::new([Step::Data(5)]).frank();
    let frank = grpc(Response::new(frank));
    assert_eq!(gate.read(frank).await, ["Failure"]);
    let nothing = grpc(Response::new(Script::new([]).frank()));
    let _kept = gate.call(nothing).await;
    assert_eq!(gate.settled(), ["Failure"]);
}

#[tokio::test(start_paused = true)]
async fn trailers_are_waited_for_behind_the_last_of_the_data() {
    let gate = Watched::by(whole());
    let none = Script::new([Step::Trailers(Some("0"))]).frank();
    assert_eq!(gate.read(grpc(Response::new(none))).await, ["Success"]);
    let length = http::header::CONTENT_LENGTH;
    let announced = with(length, "5", stream_to(Some("13")));
    assert_eq!(gate.read(announced).await, ["Failure"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_headers_alone_needs_no_trailers() {
    let gate = Watched::by(WholeExchange::grpc(ByGrpcStatus::new()));
    for (status, outcome) in [("0", "Success"), ("14", "Failure"), ("4", "Timeout")] {
        let headers = || http::HeaderName::from_static("grpc-status");
        let alone = with(headers(), status, grpc(ok([])));
        assert_eq!(gate.read(alone).await, [outcome]);
    }
}

#[tokio::test(start_paused = true)]
async fn codes_of_ones_own_hold_for_head_and_trailers() {
    let codes = ByGrpcStatus::new().failing([5]).unwrap();
    let gate = Watched::by(WholeExchange::grpc(codes));
    assert_eq!(gate.read(stream_to(Some("5"))).await, ["Failure"]);
    let name = http::HeaderName::from_static("grpc-status");
    let alone = with(name, "5", grpc(ok([])));
    assert_eq!(gate.read(alone).await, ["Failure"]);
    // Whatever it is that somebody else answers with, it has no status either.
    let not_grpc = with(CONTENT_TYPE, "text/html", ok([Step::Data(5)]));
    assert_eq!(gate.read(not_grpc).await, ["Failure"]);
}

#[tokio::test(start_paused = true)]
async fn without_the_exchange_an_answer_without_a_status_yet_is_a_success() {
    let gate = Watched::by(ByGrpcStatus::new());
    let _kept = gate.call(stream_to(Some("14"))).await;
    assert_eq!(gate.settled(), ["Success"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_somebody_who_does_not_speak_grpc_is_judged_by_its_head() {
    let gate = Watched::by(WholeExchange::grpc(ByGrpcStatus::new()));
    for (status, outcome) in [(401, "Success"), (403, "Success"), (502, "Failure")] {
        let login = with_status(status, ok([Step::Data(5)]));
        assert_eq!(gate.read(login).await, [outcome], "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn grpc_web_has_its_status_in_the_body() {
    let gate = Watched::by(whole());
    for kind in ["application/grpc-web+proto", "application/grpc-web-text"] {
        let web = with(CONTENT_TYPE, kind, ok([Step::Data(5)]));
        assert_eq!(gate.read(web).await, ["Success"], "{kind}");
    }
    for kind in [
        "Application/gRPC",
        "application/grpc ; v=1",
        "application/grpc;v=1",
    ] {
        let cut_off = with(CONTENT_TYPE, kind, ok([Step::Data(5)]));
        assert_eq!(gate.read(cut_off).await, ["Failure"], "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_of_others_decide_nothing() {
    let gate = Watched::by(whole());
    let plain = ok([Step::Data(5), Step::Trailers(Some("14"))]);
    assert_eq!(gate.read(plain).await, ["Success"]);
}
