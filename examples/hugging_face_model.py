"""A model of the transformers library on texts: which tags of Debian packages should it learn together?

Weights are random here, so that the example needs no network; `from_pretrained` takes a folder or a name instead.
"""

from dataclasses import replace

import torch
from torch import nn
from transformers import BertConfig, BertModel

from gradtag_core import load_suite, make_config, own_model, run
from gradtag_core.tasks.suite import SplitRule

# Data: texts with 8 tags each may have; `suite_of(texts, labels, ...)` makes a suite of your own.
few = SplitRule(cap_train=40, cap_validation=80, cap_test=80)
suite = replace(load_suite("debian-text", 8), name="package-texts", split_rule=few)


# --- what you write: 18 lines ---
class Classifier(nn.Module):
    def __init__(self, n_outputs: int):
        super().__init__()
        self.bert = BertModel(
            BertConfig(vocab_size=257, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                       intermediate_size=64, max_position_embeddings=48),
            add_pooling_layer=False,
        )  # fmt: skip
        # self.bert = BertModel.from_pretrained("path/to/a/model", add_pooling_layer=False)
        self.bert.embeddings.requires_grad_(False)  # what is frozen stays so
        self.head = nn.Linear(self.bert.config.hidden_size, n_outputs)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        seen = tokens != 0
        states = self.bert(input_ids=tokens, attention_mask=seen).last_hidden_state * seen[..., None]
        return self.head(states.sum(1) / seen.sum(1, keepdim=True))


codes = [[1 + byte for byte in text.encode()[:48]] for text in suite.inputs]  # a token per byte, 0 pads
tokens = torch.tensor([code + [0] * (48 - len(code)) for code in codes])
model = own_model(Classifier, "tiny-bert-1", suite, inputs=tokens)
# --- end ---

# Small models would have to read tokens too (`small=` of `own_model`); none are trained here.
config = make_config("quick", proxies_per_task=0, train_groups=False, n_groups=2, n_subsets=40)
record = run(config, suite=suite, model=model)
assert record.grouping is not None
for number, group in enumerate(record.grouping.groups, start=1):
    print(f"Group {number}: {', '.join(group)}")
estimate = sum(record.summary.costs[stage].flops for stage in ("train", "featurize", "regress"))
print(f"FLOPs of the estimate, of training every subset: {estimate / record.summary.full_training_flops:.1%}")
