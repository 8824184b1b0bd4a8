"""Tiny pretrained models with random weights, saved as the transformers library does, and suites for them to read."""

from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gradtag_core.config import make_config
from gradtag_core.models.families import architecture_of
from gradtag_core.models.transformer import TransformerArchitecture
from gradtag_core.tasks.suite import SplitRule, TaskSuite

SPECIAL = ["<pad>", "</s>", "<s>", "<unk>"]
WORDS = [*(f"word{number}" for number in range(40)), "yes", "no", "true", "false", "maybe"]
SPLIT = SplitRule(train=0.4, validation=0.3)

_IMPORTED = transformers.BertModel  # seconds of imports, before any test's time runs

_COMMON = {"pad_token_id": 0, "vocab_size": len(SPECIAL) + len(WORDS)}
_BERT = {
    **_COMMON, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 40,
    "max_position_embeddings": 40,
}  # fmt: skip
_T5 = {
    **_COMMON, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4,
    "decoder_start_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
_IMAGE = {
    "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 40, "image_size": 12,
    "patch_size": 4, "num_channels": 3,
}  # fmt: skip

# By name: the class of the model, the class of its settings, and the settings.
MODELS = {
    "bert": ("BertModel", "BertConfig", _BERT),
    "roberta": ("RobertaModel", "RobertaConfig", {**_BERT, "pad_token_id": 1}),
    "electra": ("ElectraModel", "ElectraConfig", {**_BERT, "embedding_size": 12}),
    "mpnet": ("MPNetModel", "MPNetConfig", {**_BERT, "pad_token_id": 1}),
    "distilbert": (
        "DistilBertModel", "DistilBertConfig",
        {**_COMMON, "dim": 24, "n_layers": 3, "n_heads": 2, "hidden_dim": 40, "max_position_embeddings": 40},
    ),
    "albert": ("AlbertModel", "AlbertConfig", {**_BERT, "embedding_size": 12}),
    "t5": ("T5ForConditionalGeneration", "T5Config", _T5),
    "gated_t5": ("T5ForConditionalGeneration", "T5Config", {**_T5, "feed_forward_proj": "gated-gelu"}),
    "bart": (
        "BartForConditionalGeneration", "BartConfig",
        {
            **_COMMON, "d_model": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
            "decoder_attention_heads": 2, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 40,
            "decoder_start_token_id": 2,
        },
    ),
    "vit": ("ViTForImageClassification", "ViTConfig", _IMAGE),
    "deit": ("DeiTForImageClassification", "DeiTConfig", _IMAGE),
    "convnext": (
        "ConvNextForImageClassification", "ConvNextConfig",
        {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "patch_size": 2, "image_size": 16},
    ),
}  # fmt: skip


def save_model(kind: str, folder: Path) -> str:
    """The folder, with a model and, unless it reads images, its tokenizer in it."""
    model_class, config_class, settings = MODELS[kind]
    torch.manual_seed(0)
    model = getattr(transformers, model_class)(getattr(transformers, config_class)(**settings))
    with torch.no_grad():  # as large as those of a trained model, so that nothing hides in rounding
        for parameter in model.parameters():
            if parameter.ndim > 1 and "t5" not in kind:
                parameter.mul_(4)
    model.save_pretrained(folder)
    if "vocab_size" in settings:
        tokenizer().save(str(folder / "tokenizer.json"))
    return str(folder)


def tokenizer() -> Tokenizer:
    """One token per word, and one at the end of each text."""
    words = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return made


def architecture(suite: TaskSuite, pretrained: str | None = None, **settings) -> TransformerArchitecture:
    """What a configuration asks for on a suite."""
    found = architecture_of(make_config(model="transformer", pretrained=pretrained, **settings), suite)
    assert isinstance(found, TransformerArchitecture)
    return found


def trained(architecture, seed: int = 0):
    """A model in evaluation mode whose adapters are not the identity, as after some training."""
    model = architecture.build(seed).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 10)
    return model


def texts(n_texts: int, longest: int = 12, seed: int = 0) -> np.ndarray:
    """Texts of 1 to `longest` words."""
    generator = np.random.default_rng(seed)
    made = [" ".join(generator.choice(WORDS, generator.integers(1, longest + 1))) for _ in range(n_texts)]
    return np.array(made, dtype=np.dtypes.StringDType())


def text_suite(n_texts: int = 40, n_tasks: int = 4, seed: int = 0) -> TaskSuite:
    return _suite(texts(n_texts, seed=seed), n_tasks, seed)


def image_suite(n_images: int = 40, channels: int = 3, size: int = 10, n_tasks: int = 4) -> TaskSuite:
    images = np.random.default_rng(0).random((n_images, channels, size, size), dtype=np.float32)
    return _suite(images, n_tasks, 0)


def _suite(inputs: np.ndarray, n_tasks: int, seed: int) -> TaskSuite:
    generator = np.random.default_rng(seed)
    labels = np.stack([generator.permutation(len(inputs)) % 2 for _ in range(n_tasks)], axis=1)
    names = tuple(f"task{task}" for task in range(n_tasks))
    return TaskSuite("tiny", names, inputs, labels.astype(np.int8), generator.permutation(len(inputs)), SPLIT)


def instruction_suite(
    choices: tuple[tuple[str, str], ...] = (("no", "yes"), ("false", "true")), n_pairs: int = 24
) -> TaskSuite:
    """Each text is of one of the tasks."""
    n_tasks = len(choices)
    labels = np.full((n_pairs * n_tasks, n_tasks), -1, dtype=np.int8)
    for pair in range(n_pairs):
        for task in range(n_tasks):
            labels[pair * n_tasks + task, task] = pair % 2
    names = tuple(f"task{task}" for task in range(n_tasks))
    order = np.arange(len(labels))
    return TaskSuite("told", names, texts(len(labels)), labels, order, SPLIT, choices=choices)
