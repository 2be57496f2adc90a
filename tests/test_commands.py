"""The command line: what it prints as JSON, its exit codes, and one whole way through."""

import json

import pytest

from sslcore.__main__ import main
from sslcore.jobs.prepare import PREFERRED
from sslcore.workbench.titles import FUSION
from tests.browser.harness import make_text_project

WEIGHTLESS = {"text": ("tfidf", "tfidf"), "image": ("pixels", "pixels")}
"""Encoders that are ready within seconds, so that a whole way through stays quick."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(capsys, *words):
    code = main(list(words))
    out = capsys.readouterr()
    return code, out.out, out.err


def run_json(capsys, *words):
    code, out, err = run(capsys, *words, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def films(tmp_path):
    rows = ["id,text,mood"]
    for i in range(60):
        word, mood = (("splendid joyful delight", "good"), ("tedious gloomy failure", "bad"))[i % 2]
        rows.append(f"f{i},film number {i} was a {word} number {i * 7 % 13},{mood if i < 12 else ''}")
    path = tmp_path / "films.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.mark.parametrize("kind", ["methods", "queries", "encoders", "formats"])
def test_listings_have_the_public_keys(capsys, kind):
    rows = run_json(capsys, kind)
    assert rows
    assert all({"name", "family", "title", "paper"} == set(row) for row in rows)
    assert len({row["name"] for row in rows}) == len(rows)


def test_methods_lists_what_train_takes(capsys):
    families = {row["family"] for row in run_json(capsys, "methods")}
    assert {"instant", "deep", "generative", *FUSION} == families
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for part in FUSION:
        assert f"--set {part}.KEY=VALUE" in told


def test_wrong_use_is_two_and_failure_is_one(capsys, home):
    with pytest.raises(SystemExit) as stop:
        main(["no-such-verb"])
    assert stop.value.code == 2
    code, _, err = run(capsys, "status", "nothing")
    assert code == 1
    assert "No project is named 'nothing'" in err
    code, _, err = run(capsys, "import", "/no/such/file.csv", "--project", "p")
    assert code == 1
    assert "No such file" in err
    assert not (home / "p").exists()


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (("--warm-start", "rotation"), "Rotation cannot warm a network that reads rows of words"),
        (("--transfer", "distil", "--set", "transfer.teacher=9"), "no run 9"),
        (("--sharing", "soft"), "for several tasks learned together"),
        (("--encoder", "minilm"), "The features of 'minilm' are not complete"),
        (("--encoder", "minlm"), "No encoder is named 'minlm'. Did you mean 'minilm'? Ready: none yet."),
        (("--encoder", "pixels"), "This project has no features of 'pixels'. Ready: none yet."),
        (("--encoder", "run:texts:9"), "This project has no features of 'run:texts:9'."),
        (("--set", "backbone=small_cnn"), "reads images; this run would give it texts"),
        (("--set", "backbone=resnet18"), "must be one of"),
        (("--set", "bakcbone=auto"), "Did you mean 'backbone'?"),
        (("--transfer", "lora", "--set", "transfer.rnk=3"), "Did you mean 'rank'?"),
        (("--warm-start", "rotatoin"), "Did you mean 'rotation'"),
        (
            ("--set", "warm_start.share=.4"),
            "share is a setting of a warm start, and none was chosen. Add --warm-start NAME, one of auto",
        ),
        (("--set", "warm_start.shar=.4"), "No warm start has a setting 'shar'. Did you mean 'share'?"),
        (
            ("--set", "transfer.rank=8"),
            "a setting of a transfer, and the usual one, finetune, does not have it. Add --transfer lora",
        ),
        (("--transfer", "frozen", "--set", "transfer.rank=8"), "There is no setting 'rank'"),
        (("--set", "sharing.squeeze=2"), "Add --sharing mtan"),
    ],
)
def test_nonsense_is_wrong_use_and_queues_nothing(capsys, tmp_path, monkeypatch, wish, words):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    make_text_project(tmp_path, "texts", n=40, labelled=12, features=False).close()
    code, out, err = run(capsys, "train", "texts", "--method", "supervised", "--minutes", "1", *wish)
    assert (code, out) == (2, "")
    assert err.startswith("sslcore train: ")
    assert words in err
    assert run_json(capsys, "runs", "texts") == []


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (("queue", "texts", "-n", "0"), "at least 1. Received: 0."),
        (("queue", "texts", "-n", "-3"), "at least 1. Received: -3."),
        (("queue", "texts", "--order", "margin"), "one of auto, uncertain, diverse, random"),
        (("ensemble", "texts", "--runs", "a,b"), "by comma, such as 3,5. Received: 'a'."),
        (("export", "texts", "--format", "csv", "--out", "x.csv", "--min-confidence", "7"), "from 0 to 1"),
        (("export", "texts", "--format", "csv", "--out", "x.csv", "--min-confidence", "nan"), "from 0 to 1"),
        (("export", "texts", "--format", "modle", "--out", "x"), "is no format. Did you mean 'model'?"),
        (("export", "texts", "--format", "tar", "--out", "x"), "'tar' is read and not written."),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(capsys, tmp_path, monkeypatch, wish, words):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    make_text_project(tmp_path, "texts", n=40, labelled=12, features=False).close()
    code, out, err = run(capsys, *wish)
    assert (code, out) == (2, "")
    assert words in err
    assert not [*tmp_path.glob("x*")]


def test_formats_that_are_told_can_all_be_written(capsys, home):
    _, _, err = run(capsys, "export", "nothing", "--format", "no-such", "--out", "x")
    told = err.partition("Written are: ")[2].strip(" .\n").split(", ")
    assert "model" in told
    assert "tar" not in told
    for name in told:
        assert "No project is named" in run(capsys, "export", "nothing", "--format", name, "--out", "x")[2]


def test_predictions_of_a_run_that_is_not_there(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLOOM_HOME", str(tmp_path))
    make_text_project(tmp_path, "texts", n=40, labelled=12, features=False).close()
    code, _, err = run(capsys, "predict", "texts", "--run", "9")
    assert (code, err) == (1, "sslcore predict: The project has no run 9.\n")


def test_a_set_that_is_a_project_already_can_have_another_name(capsys, home):
    (home / "digits").mkdir(parents=True)
    code, _, err = run(capsys, "demo", "digits")
    assert code == 1
    assert "`--project NAME`" in err


def test_an_import_that_fails_leaves_no_project(capsys, home, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    code, _, err = run(capsys, "import", str(empty), "--project", "p")
    assert code == 1
    assert "empty" in err
    assert not (home / "p").exists()


def test_preview_writes_nothing(capsys, home, films):
    held = run_json(capsys, "import", str(films), "--project", "films", "--preview")
    assert held["format"] == "csv"
    assert held["mapping"]["text"] == "text"
    assert not (home / "films").exists()


def test_an_order_and_words_for_no_label_by_command(capsys, home, tmp_path):
    table = tmp_path / "meals.csv"
    rows = [("soup", "rare", "4"), ("bread", "burnt", "?"), ("egg", "done", "2"), ("fish", "later", "eight")]
    table.write_text("text,cooked,stars\n" + "".join(f"A {a},{b},{c}\n" for a, b, c in rows))
    load = ("import", str(table), "-p", "meals", "--column", "text=text", "--column", "task=cooked:ordinal")
    more = (
        "--column",
        "task=stars:numeric",
        "--unlabelled",
        "cooked=later",
        "--order",
        "cooked=rare,done,burnt",
    )
    code, out, err = run(capsys, *load, *more)
    assert (code, err) == (0, "")
    assert "4 imported" in out
    assert "2 labels left out" in out
    assert out.count("label left out row") == 2
    tasks = run_json(capsys, "status", "meals")["tasks"]
    assert next(task["classes"] for task in tasks if task["name"] == "cooked") == ["rare", "done", "burnt"]
    for wrong, words in [
        (("--order", "stars=1,2"), "goes with --column task=stars:ordinal."),
        (("--order", "cooked"), "takes COLUMN=VALUE,VALUE,… Received: 'cooked'."),
        (("--unlabelled", "mood=x"), "goes with --column task=mood."),
    ]:
        code, _, err = run(capsys, *load, "--preview", *wrong)
        assert code == 2
        assert words in err


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        ("pixels", "reads images, and these items are texts"),
        ("run:nope:8", "No project is named 'nope'"),
        ("tfidff", "tfidf"),
    ],
)
def test_an_encoder_that_cannot_be_is_refused_before_the_import(capsys, home, films, encoder, words):
    code, _, err = run(capsys, "import", str(films), "--project", "films", "--encoder", encoder)
    assert code in (1, 2)
    assert words in err
    assert not (home / "films").exists()


def test_columns_of_ones_own_choice(capsys, home, films):
    code, _, err = run(capsys, "import", str(films), "-p", "x", "--preview", "--column", "task=nope")
    assert code == 1
    assert "There is no column 'nope'" in err
    code, _, err = run(capsys, "import", str(films), "-p", "x", "--preview", "--column", "rubbish")
    assert code == 2
    code, _, err = run(capsys, "import", str(films), "-p", "x", "--preview", "--column", "task=mood:ordnal")
    assert code == 2
    assert "one of single, ordinal, multiple, numeric. Did you mean 'ordinal'? Received: 'ordnal'." in err


def test_a_column_whose_name_holds_a_colon_is_taken(capsys, home, tmp_path):
    (tmp_path / "odd.csv").write_text("text,mood:now\na fine film,good\na dull film,bad\n")
    held = run_json(
        capsys, "import", str(tmp_path / "odd.csv"), "-p", "x", "--preview", "--column", "task=mood:now"
    )
    assert held["mapping"]["tasks"][0]["column"] == "mood:now"


def test_from_a_table_to_labels_and_a_model(capsys, home, films, tmp_path, monkeypatch):
    for modality, names in WEIGHTLESS.items():
        monkeypatch.setitem(PREFERRED, modality, names)
    held = run_json(capsys, "import", str(films), "--project", "films", "--wait")
    assert held["import"]["imported"] == 60
    assert held["import"]["labelled"] == 12
    assert held["items"] == 60
    status = run_json(capsys, "status", "films")
    assert status["encoders"] == [{"name": "tfidf", "done": 60, "total": 60}] * 2
    task = status["tasks"][0]
    assert (task["name"], task["kind"], task["classes"], task["labelled"]) == (
        "mood",
        "single",
        ["bad", "good"],
        12,
    )
    assert task["key"] is None
    queue = run_json(capsys, "queue", "films", "-n", "5")
    assert len({row["id"] for row in queue}) == 5
    predictions = run_json(capsys, "predict", "films")
    assert len(predictions) == 60
    right = [row["label"] == ("good", "bad")[i % 2] for i, row in enumerate(predictions)]
    assert sum(right) / 60 > 0.9
    assert {row["source"] for row in predictions} == {"imported", "pseudo"}
    out = tmp_path / "out.jsonl"
    report = run_json(capsys, "export", "films", "--format", "jsonl", "--out", str(out))
    assert report["items"] == 60
    again = run_json(capsys, "import", str(out), "--project", "again", "--wait")
    assert again["tasks"][0]["labelled"] == 12
    code, _, err = run(capsys, "export", "films", "--format", "no-such", "--out", str(out))
    assert code == 2
    assert "no-such" in err
    code, _, err = run(capsys, "simulate", "films")
    assert code == 1
    assert "no answer key" in err


def test_a_demo_with_its_key(capsys, home, monkeypatch):
    for modality, names in WEIGHTLESS.items():
        monkeypatch.setitem(PREFERRED, modality, names)
    held = run_json(capsys, "demo", "digits", "--labelled", "40", "--wait")
    assert held["project"] == "digits"
    task = held["tasks"][0]
    assert (held["items"], task["labelled"], len(task["classes"])) == (1797, 40, 10)
    assert task["key"]["accuracy"] > 0.85
    assert {"value", "low", "high"} <= set(task["audit"]["accuracy"])
    assert run_json(capsys, "projects") == ["digits"]
    code, out, _ = run(capsys, "demo", "digits", "--if-empty")
    assert (code, out) == (0, "")
    curve = run_json(capsys, "simulate", "digits", "--budget", "20", "--seeds", "1")["curve"]
    assert curve[-1]["labels"] == 20
    assert curve[-1]["accuracy"] > curve[-1]["random"] - 0.2


def test_an_unknown_set_names_the_known_ones(capsys, home):
    code, _, err = run(capsys, "demo", "no-such-set")
    assert code in (1, 2)
    assert "digits" in err


def test_doctor(capsys, home):
    held = run_json(capsys, "doctor")
    assert held["weights"] == {"efficientnet_lite0": True, "minilm": True}
    assert held["catalogue"]["digits"] is True
