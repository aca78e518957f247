"""Codes from encoders of sentences: the module of sentence-transformers, the encoder of MTEB."""

from __future__ import annotations

import copy
from enum import Enum
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import hammingbird as hb
from hammingbird.errors import HammingbirdError, InputError
from hammingbird.hub.mteb import HashedEncoder
from hammingbird.hub.sentences import HashLayer

pytestmark = pytest.mark.deep
SENTENCES = ["a red bird", "a bird, red", "the price of wheat", "wheat is dear", "snow"]


def vectors(n=200, d=16):
    return np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)


@pytest.fixture
def hasher():
    return hb.ITQ(12, random_state=0).fit(vectors())


class Bytes(torch.nn.Module):
    """A first module after the protocol of modules: counts of bytes, through a fixed matrix."""

    def forward(self, features, **options):
        torch.manual_seed(0)
        embeddings = features["counts"] @ torch.randn(128, 16)
        return {**features, "sentence_embedding": embeddings}


def counts(sentences):
    rows = [np.bincount(np.frombuffer(s.encode(), np.uint8), minlength=128) for s in sentences]
    return {"counts": torch.from_numpy(np.stack(rows)).float()}


def test_the_module_gives_packed_codes(hasher, tmp_path):
    model = torch.nn.Sequential(Bytes(), HashLayer(hasher))
    features = counts(SENTENCES)
    embeddings = Bytes()(features)["sentence_embedding"].numpy()
    found = model(features)
    assert found["sentence_embedding"].dtype == torch.uint8
    np.testing.assert_array_equal(found["sentence_embedding"], hasher.encode(embeddings))
    np.testing.assert_array_equal(hb.pack(found["sentence_scores"]), found["sentence_embedding"])
    assert model[1].get_sentence_embedding_dimension() == 2
    half = {"sentence_embedding": torch.from_numpy(embeddings).to(torch.bfloat16)}
    assert model[1](half)["sentence_embedding"].shape == (5, 2)
    for _ in range(2):  # a model is saved over itself
        model[1].save(str(tmp_path / "2_HashLayer"))
    for place in ((str(tmp_path / "2_HashLayer"),), (str(tmp_path), "2_HashLayer")):
        again = HashLayer.load(*place, local_files_only=True)
        np.testing.assert_array_equal(again(found | {"sentence_embedding": torch.from_numpy(
            embeddings)})["sentence_embedding"], found["sentence_embedding"])  # fmt: skip
    with pytest.raises(HammingbirdError):
        HashLayer.load(str(tmp_path / "nothing"), local_files_only=True)


@pytest.mark.filterwarnings("ignore")  # its own, and those of transformers
def test_a_real_sentence_transformer_encodes_saves_and_loads(hasher, tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    transformers = pytest.importorskip("transformers")
    (tmp_path / "bert").mkdir()
    words = sorted({word for s in SENTENCES for word in s.replace(",", " ,").split()})
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]))
    config = transformers.BertConfig(
        vocab_size=len(words) + 4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bert")
    encoder = sentence_transformers.SentenceTransformer(str(tmp_path / "bert"), device="cpu")
    embeddings = encoder.encode(SENTENCES)
    model = sentence_transformers.SentenceTransformer(
        modules=[*encoder, HashLayer(hasher)], device="cpu"
    )
    codes = model.encode(SENTENCES)
    assert (codes.dtype, codes.shape) == (np.uint8, (5, 2))
    # Batches are padded to their longest sentence, which moves embeddings by their last digits.
    assert (np.unpackbits(codes ^ hasher.encode(embeddings)).mean()) < 0.05
    model.save(str(tmp_path / "saved"))
    again = sentence_transformers.SentenceTransformer(
        str(tmp_path / "saved"), device="cpu", trust_remote_code=True
    )
    np.testing.assert_array_equal(again.encode(SENTENCES), codes)


class PromptType(str, Enum):
    query = "query"
    document = "document"


class Meta(SimpleNamespace):
    """Of MTEB's metadata, a pydantic model, what is used."""

    def model_copy(self, *, update):
        return copy.copy(Meta(**{**vars(self), **update}))


class FakeEncoder:
    """What MTEB's EncoderProtocol asks of an encoder, with batches as its loaders give them."""

    mteb_model_meta = Meta(name="owner/bytes", revision="1", embed_dim=16)

    def encode(
        self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, batch_size=32
    ):
        texts = [text for batch in inputs for text in batch["text"]]
        return Bytes()(counts(texts))["sentence_embedding"]


def test_an_encoder_of_mteb_has_codes(hasher):
    loader = [{"text": SENTENCES[:3]}, {"text": SENTENCES[3:]}]
    how = {"task_metadata": None, "hf_split": "test", "hf_subset": "default", "batch_size": 2}
    plain = FakeEncoder().encode(loader, **how).numpy()
    hashed = HashedEncoder(FakeEncoder(), hasher)
    signs = hashed.encode(loader, **how)
    assert set(np.unique(signs)) == {-1, 1}
    np.testing.assert_array_equal(hb.pack(signs), hasher.encode(plain))
    distances = hb.hamming(hasher.encode(plain), hasher.encode(plain))
    similar = hashed.similarity(signs, torch.from_numpy(signs))
    np.testing.assert_allclose(similar, 1 - 2 * distances / 12, atol=1e-6)
    pairs = hashed.similarity_pairwise(signs[:2], signs[2:4])
    np.testing.assert_allclose(pairs, similar[[0, 1], [2, 3]], atol=1e-6)
    assert hashed.similarity(signs[0], signs).shape == (1, 5)
    assert hashed.mteb_model_meta.name == "owner/bytes-ITQ-12"
    assert hashed.mteb_model_meta.revision == "1"
    assert FakeEncoder.mteb_model_meta.name == "owner/bytes"
    with pytest.raises(InputError, match="must have encode"):
        HashedEncoder(object(), hasher)


def test_asymmetric_queries_keep_their_scores(hasher):
    loader = [{"text": SENTENCES}]
    how = {"task_metadata": None, "hf_split": "test", "hf_subset": "default"}
    hashed = HashedEncoder(FakeEncoder(), hasher, asymmetric=True)
    documents = hashed.encode(loader, **how, prompt_type=PromptType.document)
    queries = hashed.encode(loader, **how, prompt_type=PromptType.query)
    scores = hasher.project(FakeEncoder().encode(loader, **how).numpy())
    assert set(np.unique(documents)) == {-1, 1}
    np.testing.assert_allclose((queries**2).mean(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        np.argsort(-hashed.similarity(queries, documents).numpy(), axis=1),
        np.argsort(-(scores @ documents.T), axis=1),
    )
    assert hashed.mteb_model_meta.name == "owner/bytes-ITQ-asymmetric-12"
