"""Small text models for the tests: architectures and folder layouts of the field at toy width, random weights.

    python make_text.py models

- bert: a BERT masked language model as `optimum-cli export onnx --task fill-mask` writes it
- llada: LLaDA's signature (bidirectional, logits of the same place, mask id in config.json), with keys and values as
  inputs and outputs the way optimum names those of decoders
- dream: Dream's signature (logits shifted by one), with a chat template
- joint: no network but a table: the exact conditionals of a joint distribution over 3^4 texts
- ratios: the same in SEDD's signature (indices and sigma to log-ratios)
- scrambled: the same for tokens that are replaced by others instead of hidden, told the noise

The language heads are scaled up, so that which token is likeliest never hangs on rounding.
"""
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn

from deploy import forget_paths

TEXT = """
In the beginning was the word, and the word was with the light. The river runs to the sea, yet the sea is not full.
A time to plant, and a time to pluck up that which is planted; a time to weep, and a time to laugh.
Two are better than one, because they have a good reward for their labour. The wind goes toward the south, and turns
about unto the north. All the rivers run into the sea. There is nothing new under the sun. Where is the light?
"""
CHAT = (
    "{% for message in messages %}{{ '<|start|>' + message['role'] + '\\n' + message['content'].strip() + '<|end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant\\n' }}{% endif %}"
)


def byte_tokenizer(folder, specials, size=320):
    """A byte-level BPE, as LLaDA and Dream have."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=specials, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 2 * width, bias=False), nn.Linear(2 * width, width, bias=False)

    def forward(self, x, angles, past, mask):
        parts = self.qkv(norm(x)).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        query, key = turn(query, angles), turn(key, angles)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5 + mask
        x = x + self.out((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))
        return x + self.down(torch.nn.functional.silu(self.up(norm(x)))), key, value


def norm(x):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


def turn(x, angles):
    """Rotary embedding: each key carries its place, so that keys may stand in any order."""
    first, second = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


class Transformer(nn.Module):
    """Bidirectional; with `keeps`, it takes and gives keys and values."""

    def __init__(self, vocabulary, mask, keeps, width=32, heads=2, depth=2, seed=0, sharp=3.0):
        super().__init__()
        torch.manual_seed(seed)
        self.keeps, self.heads, self.width = keeps, heads, width
        self.embed = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.head = nn.Linear(width, vocabulary, bias=True)
        for block in self.blocks:
            for layer in (block.qkv, block.out, block.up, block.down):
                nn.init.normal_(layer.weight, std=0.35)
        nn.init.normal_(self.head.weight, std=sharp / width**0.5)
        nn.init.zeros_(self.head.bias)
        # A trained network never answers with the mask.
        self.head.bias.data[mask] = -1e4

    def forward(self, input_ids, attention_mask, position_ids=None, *past):
        half = self.width // self.heads // 2
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1])[None]
        rates = 100.0 ** (-torch.arange(half) / half)
        angles = (position_ids[..., None].float() * rates)[:, None]
        mask = (1.0 - attention_mask.float())[:, None, None, :] * -1e9
        x, kept = self.embed(input_ids), []
        for i, block in enumerate(self.blocks):
            x, key, value = block(x, angles, past[2 * i : 2 * i + 2] if self.keeps else None, mask)
            kept += [key, value]
        logits = self.head(norm(x))
        return (logits, *kept) if self.keeps else logits


def export(model, file):
    """As optimum names inputs and outputs."""
    ids = torch.randint(0, 100, (2, 5))
    batch = {0: "batch_size", 1: "sequence_length"}
    inputs = {"input_ids": ids, "attention_mask": torch.ones(2, 5, dtype=torch.int64)}
    axes = {"input_ids": batch, "attention_mask": batch, "logits": batch}
    outputs = ["logits"]
    if model.keeps:
        inputs["attention_mask"] = torch.ones(2, 8, dtype=torch.int64)
        axes["attention_mask"] = {0: "batch_size", 1: "total_length"}
        inputs["position_ids"], axes["position_ids"] = torch.arange(3, 8)[None].repeat(2, 1), batch
        for i in range(len(model.blocks)):
            for part in ("key", "value"):
                shape = (2, model.heads, 3, model.width // model.heads)
                inputs[f"past_key_values.{i}.{part}"] = torch.randn(shape)
                axes[f"past_key_values.{i}.{part}"] = {0: "batch_size", 2: "past_length"}
                axes[f"present.{i}.{part}"] = {0: "batch_size", 2: "total_length"}
                outputs.append(f"present.{i}.{part}")
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        model.eval(), tuple(inputs.values()), str(file), input_names=list(inputs), output_names=outputs,
        dynamic_axes=axes, opset_version=18, dynamo=False,
    )


def write(folder, name, value):
    (folder / name).write_text(json.dumps(value, indent=2) + "\n")


LLADA_MASK, LLADA_END = "<|mdm_mask|>", "<|endoftext|>"


def llada_model(vocabulary):
    return Transformer(vocabulary, mask=0, keeps=True, seed=24)


def llada(folder):
    tokenizer = byte_tokenizer(folder, [LLADA_MASK, LLADA_END])
    size = tokenizer.get_vocab_size()
    export(llada_model(size), folder / "model.onnx")
    write(folder, "config.json", {
        "architectures": ["LLaDAModelLM"], "model_type": "llada", "vocab_size": size, "mask_token_id": 0,
        "eos_token_id": 1, "max_sequence_length": 256,
    })
    write(folder, "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": LLADA_END})


def dream_model(vocabulary):
    return Transformer(vocabulary, mask=2, keeps=False, seed=5)


def dream(folder):
    tokenizer = byte_tokenizer(folder, ["<|endoftext|>", "<|end|>", "<|mask|>", "<|start|>"])
    size = tokenizer.get_vocab_size()
    export(dream_model(size), folder / "model.onnx")
    write(folder, "config.json", {
        "architectures": ["DreamModel"], "model_type": "Dream", "vocab_size": size, "mask_token_id": 2,
        "pad_token_id": 0, "eos_token_id": 0, "max_position_embeddings": 256,
    })
    write(folder, "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>", "mask_token": "<|mask|>",
        "pad_token": "<|endoftext|>", "chat_template": CHAT,
    })


def bert_model(vocabulary):
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(11)
    config = BertConfig(
        vocab_size=vocabulary, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, initializer_range=0.3,
    )
    model = BertForMaskedLM(config).eval()
    # Special tokens are never the answer, as in trained models.
    model.cls.predictions.decoder.bias.data[:5] = -1e4
    model.cls.predictions.bias.data[:5] = -1e4
    return model


def bert(folder):
    from optimum.exporters.onnx import onnx_export_from_model
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    trained = BertWordPieceTokenizer(lowercase=True)
    trained.train_from_iterator([TEXT], vocab_size=220, min_frequency=1, show_progress=False)
    vocabulary = folder / "vocab.txt"
    words = trained.get_vocab()
    vocabulary.write_text("\n".join(sorted(words, key=words.get)) + "\n")
    tokenizer = BertTokenizerFast(str(vocabulary), model_max_length=64)
    model = bert_model(len(tokenizer))
    tokenizer.save_pretrained(folder)
    onnx_export_from_model(model, folder, task="fill-mask", do_validation=False, preprocessors=[tokenizer])
    forget_paths(folder)


PLACES, WORDS = 4, ["ab", "c", "d"]


def joint_table():
    """Uneven probabilities of all texts of 3 words and 4 places, some of them zero; the first place counts most slowly."""
    draw = np.random.RandomState(17)
    weights = np.where(draw.rand(3**PLACES) < 0.2, 0.0, np.exp(3.0 * draw.rand(3**PLACES)))
    return (weights / weights.sum()).reshape([3] * PLACES)


def conditionals(table):
    """`[4^4, places, 4]`: for every text with masks (word 3), how likely each word is at each place."""
    out = np.full((4,) * PLACES + (PLACES, 4), -1e9, dtype=np.float64)
    for seen in np.ndindex(*(4,) * PLACES):
        given = table[tuple(slice(None) if s == 3 else slice(s, s + 1) for s in seen)]
        for place in range(PLACES):
            own = given.sum(axis=tuple(i for i in range(PLACES) if i != place))
            words = range(3) if seen[place] == 3 else [seen[place]]
            for word, p in zip(words, own):
                if p > 0:
                    out[seen + (place, word)] = np.log(p / own.sum())
    return out.reshape(4**PLACES, PLACES, 4).astype(np.float32)


def constant(name, value, dtype=np.float32):
    return numpy_helper.from_array(np.array(value, dtype=dtype), name)


def save_graph(folder, name, nodes, inputs, output, constants):
    """A graph of one token input `[batch, 4]`, perhaps `sigma [batch]`, and `[batch, 4, vocabulary]`."""
    folder.mkdir(parents=True, exist_ok=True)
    types = {"sigma": (TensorProto.FLOAT, ["batch"])}
    ports = [(i, *types.get(i, (TensorProto.INT64, ["batch", PLACES]))) for i in inputs]
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info(*port) for port in ports],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, ["batch", PLACES, output[1]])], constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")


def save_words(folder, words, config, tokenizer_config):
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=words[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    write(folder, "config.json", config | {"max_position_embeddings": PLACES})
    write(folder, "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"} | tokenizer_config)


def lookup(ids):
    """Nodes and constants that find a text's conditionals."""
    weights = [4 ** (PLACES - 1 - i) for i in range(PLACES)]
    nodes = [
        helper.make_node("Mul", [ids, "weights"], ["parts"]),
        helper.make_node("ReduceSum", ["parts", "axes"], ["row"], keepdims=0),
        helper.make_node("Gather", ["table", "row"], ["conditionals"], axis=0),
    ]
    table = numpy_helper.from_array(conditionals(joint_table()), "table")
    return nodes, [constant("weights", weights, np.int64), constant("axes", [1], np.int64), table]


def joint(folder):
    """`input_ids [batch, 4] -> logits [batch, 4, 4]`, by looking the row up."""
    nodes, constants = lookup("input_ids")
    nodes.append(helper.make_node("Identity", ["conditionals"], ["logits"]))
    save_graph(folder, "joint", nodes, ["input_ids"], ("logits", 4), constants)
    save_words(folder, [*WORDS, "[MASK]"], {"model_type": "joint", "vocab_size": 4}, {"mask_token": "[MASK]"})
    write(folder, "table.json", [round(p, 12) for p in joint_table().reshape(-1).tolist()])


def ratios(folder):
    """`log s = log p(word | text) - log(exp(sigma) - 1)`, as SEDD's networks say it."""
    nodes, constants = lookup("indices")
    nodes += [
        helper.make_node("Exp", ["sigma"], ["growth"]),
        helper.make_node("Sub", ["growth", "one"], ["odds"]),
        helper.make_node("Log", ["odds"], ["shift"]),
        helper.make_node("Reshape", ["shift", "column"], ["shift_column"]),
        helper.make_node("Sub", ["conditionals", "shift_column"], ["log_score"]),
    ]
    constants += [constant("one", [1.0]), constant("column", [-1, 1, 1], np.int64)]
    save_graph(folder, "ratios", nodes, ["indices", "sigma"], ("log_score", 4), constants)
    noise = {"type": "loglinear", "sigma_min": 1e-4, "sigma_max": 20}
    config = {"model_type": "sedd", "tokens": 3, "graph": {"type": "absorb"}, "noise": noise}
    save_words(folder, [*WORDS, "[MASK]"], config, {})


def scrambled(folder):
    """Bayes over all 81 texts: `p(word | text) ~ sum of p(t) * prod_i (alpha [t_i = x_i] + (1 - alpha) / 3)`."""
    texts = np.array(list(np.ndindex(*[3] * PLACES)))
    prior = joint_table().reshape(-1)
    one_hot = np.eye(3)[texts]
    nodes = [
        helper.make_node("Neg", ["sigma"], ["minus"]),
        helper.make_node("Exp", ["minus"], ["alpha"]),
        helper.make_node("Reshape", ["alpha", "column"], ["alphas"]),
        helper.make_node("Sub", ["one", "alphas"], ["rest"]),
        helper.make_node("Mul", ["rest", "third"], ["floor"]),
        helper.make_node("Unsqueeze", ["input_ids", "axes"], ["seen"]),
        helper.make_node("Equal", ["seen", "texts"], ["same"]),
        helper.make_node("Cast", ["same"], ["sames"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["sames", "alphas"], ["stayed"]),
        helper.make_node("Add", ["stayed", "floor"], ["reach"]),
        helper.make_node("ReduceProd", ["reach", "last"], ["likely"], keepdims=0),
        helper.make_node("MatMul", ["likely", "prior"], ["mass"]),
        helper.make_node("Reshape", ["mass", "shape"], ["masses"]),
        helper.make_node("Add", ["masses", "tiny"], ["positive"]),
        helper.make_node("Log", ["positive"], ["logits"]),
    ]
    constants = [
        constant("column", [-1, 1, 1], np.int64), constant("last", [2], np.int64),
        constant("one", [1.0]), constant("third", [1 / 3]),
        constant("axes", [1], np.int64), constant("texts", texts[None], np.int64), constant("tiny", [1e-30]),
        constant("prior", (prior[:, None, None] * one_hot).reshape(len(texts), -1)),
        constant("shape", [-1, PLACES, 3], np.int64),
    ]
    save_graph(folder, "scrambled", nodes, ["input_ids", "sigma"], ("logits", 3), constants)
    save_words(folder, WORDS, {"model_type": "joint", "diffusion": "uniform", "vocab_size": 3}, {})


MODELS = {
    "bert": bert, "llada": llada, "dream": dream, "joint": joint, "ratios": ratios, "scrambled": scrambled,
}

if __name__ == "__main__":
    out = Path(sys.argv[1])
    for name in sys.argv[2:] or MODELS:
        MODELS[name](out / name)
        print(name, sum(f.stat().st_size for f in (out / name).rglob("*") if f.is_file()), "bytes")
