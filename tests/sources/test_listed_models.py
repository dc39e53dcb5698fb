"""Models are listed by the real client from the test Hub: each once, lazily, and by nobody but that Hub."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import close_session
from safetensors.numpy import save_file

from gated_ray.errors import AccessError, InputError, TransientError
from gated_ray.sources.hub_listing import Filters, ListedModel, list_models
from gated_ray.sources.remote.retry import ATTEMPTS
from tests.servers.hub import HubServer
from tests.servers.hub_faults import Fault, always, drip_body, error_page, first, refuse
from tests.servers.hub_http import Response
from tests.servers.hub_listing import on_listing
from tests.servers.hub_log import Request
from tests.servers.proxy import ForwardProxy
from tests.servers.tls import Authority, tls_before

TOKEN = "hf_secret_of_the_tests"
NEWEST_FIRST = Filters(newest=3)
ALL = Filters()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    root.mkdir()
    (root / "config.json").write_text("{}")
    return root


@pytest.fixture
def many(hub: HubServer, folder: Path) -> list[str]:
    """The names of 500 models, the newest first, in pages of 100; the first has 499 downloads, the last none."""
    for number in range(500):
        day, minute = divmod(number, 50)
        created = f"2024-01-{day + 1:02d}T00:{minute:02d}:00.000Z"
        hub.add_repo(f"org/m{number:03d}", folder, commit=f"{number:040x}", created=created, downloads=number)
    hub.list_in_pages_of(100)
    return [f"org/m{number:03d}" for number in reversed(range(500))]


def names(filters: Filters = ALL) -> list[str]:
    return [model.name for model in list_models(filters)]


def refusal(filters: Filters = ALL, kind: type[Exception] = InputError) -> str:
    with pytest.raises(kind) as error:
        list(list_models(filters))
    message = str(error.value)
    assert "\n" not in message
    assert TOKEN not in message
    return message


def rewritten(change: Callable[[list[dict[str, Any]]], Any]) -> Fault:
    """The page after such a change to what it lists."""
    return lambda response: replace(response, body=json.dumps(change(json.loads(response.content))).encode())


def linked(link: str) -> Fault:
    """The page with another link to the next one."""
    return lambda response: replace(response, headers={**response.headers, "Link": f'<{link}>; rel="next"'})


def test_pages(hub: HubServer, many: list[str]) -> None:
    assert names() == many
    assert len(hub.log) == 5
    assert {request.path for request in hub.log} == {"/api/models"}


def test_pages_are_asked_for_when_they_are_needed(hub: HubServer, many: list[str]) -> None:
    listed = list_models(ALL)
    assert not hub.log
    assert [model.name for model in islice(listed, 100)] == many[:100]
    assert len(hub.log) == 1
    assert next(listed).name == many[100]
    assert len(hub.log) == 2


def test_what_is_said_of_a_model(hub: HubServer, folder: Path) -> None:
    save_file({"a": np.zeros((4, 6), np.float32), "b": np.zeros(7, np.float16)}, folder / "model.safetensors")
    commit = hub.add_repo("org/a", folder, downloads=12, gated="auto", token=TOKEN, created="2024-05-01T10:11:12.000Z")
    assert list(list_models(ALL)) == [
        ListedModel("org/a", commit, 4 * 24 + 2 * 7, 12, True, "2024-05-01T10:11:12.000Z")
    ]
    fields = {"createdAt", "downloads", "gated", "safetensors", "sha"}
    assert {frozenset(request.query["expand"]) for request in hub.log} == {frozenset(fields)}
    hub.add_repo("org/a", folder, commit="1" * 40)
    assert [model.commit for model in list_models(ALL)] == ["1" * 40]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"F32": 1, "BF16": 10, "F8_E4M3": 100, "F64": 1000, "I64": 1}, 4 + 20 + 100 + 8000 + 8),
        ({"I32": 8, "F16": 10}, None),
        ({"U8": 8}, None),
        ({"Q4_K": 8}, None),
        ({"F32": -1}, None),
        ({"F32": 1.5}, None),
        ({"F32": True}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_bytes(hub: HubServer, folder: Path, parameters: object, expected: int | None) -> None:
    hub.add_repo("org/a", folder)
    said = rewritten(lambda page: [entry | {"safetensors": {"parameters": parameters}} for entry in page])
    hub.faults.append(always(said, on_listing))
    assert [model.bytes for model in list_models(ALL)] == [expected]


def test_filters(hub: HubServer, folder: Path) -> None:
    text = {"pipeline_tag": "text-generation", "library": "transformers"}
    hub.add_repo("org/text", folder, **text, tags=("llama", "en"), downloads=100)
    hub.add_repo("org/image", folder, pipeline_tag="image-classification", library="timm", tags=("en",), downloads=10)
    hub.add_repo("other/text", folder, **text, tags=("llama",), downloads=1)
    assert set(names()) == {"org/text", "org/image", "other/text"}
    assert set(names(Filters(authors=("org",)))) == {"org/text", "org/image"}
    assert names(Filters(authors=("other", "org"))) == ["other/text", "org/text", "org/image"]
    assert names(Filters(authors=("org", "org"))) == ["org/text", "org/image"]
    assert names(Filters(authors=("nobody",))) == []
    assert set(names(Filters(task="text-generation"))) == {"org/text", "other/text"}
    assert names(Filters(library="timm")) == ["org/image"]
    assert set(names(Filters(tags=("llama",)))) == {"org/text", "other/text"}
    assert names(Filters(tags=("llama", "en"))) == ["org/text"]
    assert names(Filters(min_downloads=10)) == ["org/text", "org/image"]
    assert names(Filters(("org",), "text-generation", "transformers", ("en",), 50, 1)) == ["org/text"]


def test_a_listing_by_downloads_ends_where_too_few_begin(hub: HubServer, many: list[str]) -> None:
    assert names(Filters(min_downloads=350)) == many[:150]
    assert len(hub.log) == 2
    assert {request.query["sort"][0] for request in hub.log} == {"downloads"}


def test_a_hub_that_does_not_sort_by_downloads_is_listed_to_its_end(hub: HubServer, many: list[str]) -> None:
    hub.faults.append(always(rewritten(lambda page: page[::-1]), on_listing))
    assert set(names(Filters(min_downloads=350))) == set(many[:150])
    assert len(hub.log) == 5


def test_the_newest_of_several_authors(hub: HubServer, folder: Path) -> None:
    for day in range(1, 9):
        hub.add_repo(
            f"{'even' if day % 2 == 0 else 'odd'}/{day}",
            folder,
            created=f"2024-01-{day:02d}T00:00:00.000Z",
            downloads=day,
        )
    hub.list_in_pages_of(2)
    listed = list_models(Filters(authors=("odd", "even"), newest=3))
    assert [model.name for model in islice(listed, 3)] == ["even/8", "odd/7", "even/6"]
    assert len(hub.log) == 2
    assert [model.name for model in listed] == ["odd/5", "even/4", "odd/3", "even/2", "odd/1"]
    assert names(Filters(authors=("odd", "even"), newest=9, min_downloads=4)) == [
        "even/8",
        "odd/7",
        "even/6",
        "odd/5",
        "even/4",
    ]
    assert {request.query["sort"][0] for request in hub.log} == {"createdAt"}


@pytest.mark.parametrize(("newest", "limit"), [(1, "100"), (250, "250"), (5000, "1000")])
def test_few_are_asked_for_in_small_pages(hub: HubServer, folder: Path, newest: int, limit: str) -> None:
    hub.add_repo("org/a", folder)
    assert names(Filters(newest=newest)) == ["org/a"]
    assert [request.query["limit"] for request in hub.log] == [[limit]]


def test_a_hub_that_does_not_list_the_newest_first(hub: HubServer, many: list[str]) -> None:
    hub.faults.append(always(rewritten(lambda page: page[::-1]), on_listing))
    assert "not listed newest first" in refusal(NEWEST_FIRST)
    assert set(names()) == set(many), "the order does not matter where all are listed"


@pytest.mark.usefixtures("many")
def test_a_hub_that_does_not_filter_by_author(hub: HubServer) -> None:
    def unfiltered(request: Request) -> Fault | None:
        plain = replace(request, query={name: value for name, value in request.query.items() if name != "author"})
        return lambda _: hub._hub.answer(plain)

    hub.faults.append(unfiltered)
    assert "models of other on" in (message := refusal(Filters(authors=("other",))))
    assert "org/m499 is listed among them" in message
    assert len(names(Filters(authors=("ORG", "org")))) == 500, "names on the Hub differ in more than their case"


def test_a_model_that_moves_between_two_pages_is_listed_once(hub: HubServer, folder: Path) -> None:
    for number in range(6):
        hub.add_repo(f"org/{number}", folder, downloads=10 + 10 * number)
    hub.list_in_pages_of(2)
    listed = list_models(Filters(min_downloads=1))
    assert [next(listed).name, next(listed).name] == ["org/5", "org/4"]
    hub.add_repo("org/5", folder, downloads=35)
    assert [model.name for model in listed] == ["org/3", "org/2", "org/1", "org/0"]
    assert len(hub.log) == 4, "six models in pages of two, and org/5 again"


def test_a_new_model_moves_no_other(hub: HubServer, folder: Path, many: list[str]) -> None:
    listed = list_models(ALL)
    found = [next(listed).name]
    hub.add_repo("org/new", folder, created="2025-01-01T00:00:00.000Z")
    hub.remove_repo(many[50])
    assert found + [model.name for model in listed] == many


@pytest.mark.parametrize("fault", [refuse(503), refuse(429, 1), refuse(500), error_page])
def test_a_page_is_asked_for_again(hub: HubServer, many: list[str], pauses: list[float], fault: Fault) -> None:
    third = iter(range(3))
    hub.faults.append(lambda request: fault if "cursor" in request.query and next(third, None) == 1 else None)
    assert names() == many
    assert len(hub.log) == 6
    assert pauses


@pytest.mark.usefixtures("many")
def test_a_page_that_never_comes(hub: HubServer, pauses: list[float]) -> None:
    hub.faults.append(always(refuse(503), lambda request: "cursor" in request.query))
    listed = list_models(Filters(authors=("org",)))
    assert len(list(islice(listed, 100))) == 100
    with pytest.raises(
        TransientError, match=rf"^models of org on {hub.endpoint}: the Hub answered 503; try again later$"
    ):
        next(listed)
    assert len(pauses) == ATTEMPTS - 1


def test_a_page_that_comes_too_slowly(
    hub: HubServer, folder: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_repo("org/a", folder)
    monkeypatch.setattr("gated_ray.sources.remote.deadline._SECONDS", 0.5)
    hub.faults.append(first(1, drip_body, on_listing))
    assert names() == ["org/a"]
    assert len(pauses) == 1


def test_a_server_that_is_down(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "cannot reach the Hub at http://127.0.0.1:9" in refusal(kind=TransientError)
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.usefixtures("many")
def test_pages_in_a_circle(hub: HubServer) -> None:
    hub.faults.append(always(linked("/api/models?cursor=again"), lambda request: "cursor" not in request.query))
    hub.faults.append(
        always(lambda _: linked("/api/models?cursor=again")(Response(200, {}, b"[]")), lambda r: "cursor" in r.query)
    )
    assert refusal() == f"models on {hub.endpoint}: the pages of the listing go in a circle; check HF_ENDPOINT"
    assert len(hub.log) == 2


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.usefixtures("many")
def test_the_same_page_under_ever_new_addresses(hub: HubServer, empty: bool) -> None:
    def again(request: Request) -> Fault:
        link = linked(f"{request.target}&limit=500")
        return lambda response: link(replace(response, body=b"[]") if empty else response)

    hub.faults.append(again)
    assert "name no further model; check HF_ENDPOINT" in refusal()
    assert len(hub.log) < 30


@pytest.mark.parametrize(
    "link",
    [
        "http://localhost:{port}/api/models?cursor=x",
        "https://127.0.0.1:{port}/api/models?cursor=x",
        "http://127.0.0.1:{port}@example.org/api/models?cursor=x",
        "//localhost:{port}/api/models?cursor=x",
    ],
)
@pytest.mark.usefixtures("many")
def test_the_listing_goes_on_nowhere_else(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, pauses: list[float], link: str
) -> None:
    hub.tokens.add(TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.faults.append(always(linked(link.format(port=hub.endpoint.rpartition(":")[2])), on_listing))
    message = refusal()
    assert "the listing goes on at http" in message
    assert "set HF_ENDPOINT" in message
    assert [request.headers["host"] for request in hub.log] == [hub.endpoint.removeprefix("http://")]
    assert not pauses


@pytest.mark.parametrize(
    "link", ["http://[::1", "http://127.0.0.1:port/", "http://127.0.0.1:9/\x01", "http://" + 70_000 * "x"]
)
@pytest.mark.usefixtures("many", "pauses")
def test_a_link_that_is_none(hub: HubServer, link: str) -> None:
    hub.faults.append(always(linked(link), on_listing))
    message = refusal(kind=TransientError)
    assert len(message) < 200


def test_a_relative_link(hub: HubServer, many: list[str]) -> None:
    def relative(response: Response) -> Response:
        link = response.headers.get("Link", "").replace(hub.endpoint, "")
        return replace(response, headers={**response.headers, "Link": link}) if link else response

    hub.faults.append(always(relative, on_listing))
    assert names() == many


def test_the_token_goes_to_the_hub_alone(hub: HubServer, many: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    hub.tokens.add(TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert names() == many
    assert [request.token for request in hub.log] == [TOKEN] * 5

    def elsewhere(request: Request) -> Fault | None:
        if request.headers["host"].startswith("localhost"):
            return None
        return lambda _: Response(
            307, {"Location": f"{hub.endpoint.replace('127.0.0.1', 'localhost')}{request.target}"}
        )

    hub.clear_log()
    hub.list_in_pages_of(1000)
    hub.faults.append(elsewhere)
    assert names() == many
    assert [(request.headers["host"].partition(":")[0], request.token) for request in hub.log] == [
        ("127.0.0.1", TOKEN),
        ("localhost", None),
    ]


@pytest.fixture
def _fresh_client() -> Iterator[None]:
    """huggingface_hub reads proxies and certificates when it makes its client."""
    close_session()
    yield
    close_session()


@pytest.mark.usefixtures("_fresh_client")
def test_proxies_and_certificates_of_the_environment(
    hub: HubServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_repo("org/a", folder)
    authority = Authority(tmp_path)
    for name in ("no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    with ForwardProxy() as proxy, tls_before(authority, int(hub.endpoint.rpartition(":")[2])) as port:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("HF_ENDPOINT", f"https://localhost:{port}")
        assert names() == ["org/a"]
        assert proxy.hosts("CONNECT") == {f"localhost:{port}"}


def test_private_models_are_listed_to_those_who_may_know(
    hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_repo("org/private", folder, private=True, token=TOKEN)
    hub.add_repo("org/gated", folder, gated=True, token=TOKEN)
    assert [(model.name, model.gated) for model in list_models(ALL)] == [("org/gated", True)]
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert set(names()) == {"org/private", "org/gated"}


@pytest.mark.usefixtures("hub")
def test_a_token_that_nobody_knows(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert "refused the token (401)" in refusal(kind=AccessError)
    assert not pauses


def test_offline(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        InputError, match="HF_HUB_OFFLINE forbids to ask the Hub for its models; unset it, or name the models"
    ):
        list_models(ALL)
    assert not hub.log


def test_a_filter_that_the_hub_refuses(hub: HubServer, pauses: list[float]) -> None:
    hub.faults.append(always(refuse(400), on_listing))
    assert refusal() == f"models on {hub.endpoint}: the Hub answered 400"
    assert not pauses


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda page: {"error": "no"}, "the Hub answers with no list"),
        (lambda page: [*page, 7], "one is listed without a name"),
        (lambda page: [*page, {}], "one is listed without a name"),
        (lambda page: [page[0] | {"id": "two\nlines"}], "one is listed without a name"),
        (lambda page: [page[0] | {"sha": None}], "org/a is listed without its commit"),
        (lambda page: [page[0] | {"sha": "main"}], "org/a is listed without its commit"),
        (lambda page: [page[0] | {"createdAt": "lately"}], "org/a is listed without the date of its creation"),
        (lambda page: [page[0] | {"createdAt": "2024-01-01"}], "org/a is listed without the date of its creation"),
        (lambda page: [page[0] | {"downloads": "many"}], "org/a is listed with downloads='many'"),
        (lambda page: [page[0] | {"gated": "maybe"}], "gated='maybe'"),
    ],
)
def test_what_is_no_listing(
    hub: HubServer, folder: Path, pauses: list[float], change: Callable[[list[dict[str, Any]]], Any], said: str
) -> None:
    hub.add_repo("org/a", folder)
    hub.faults.append(always(rewritten(change), on_listing))
    message = refusal()
    assert message.startswith(f"models on {hub.endpoint}: ")
    assert said in message
    assert message.endswith("check HF_ENDPOINT")
    assert not pauses


def test_a_rate_limit_that_is_used_up_is_waited_for_as_the_hub_says_it(hub: HubServer, pauses: list[float]) -> None:
    """Without Retry-After: 500 requests in five minutes, none of which is left for the next 52 seconds."""
    headers = {"RateLimit": '"api";r=0;t=52', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}
    hub.faults.append(first(1, lambda _: Response(429, headers, b"{}"), on_listing))
    assert list(list_models(Filters())) == []
    assert max(pauses) > 50
