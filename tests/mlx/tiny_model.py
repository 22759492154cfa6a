"""A Llama of random weights in the format of the Hugging Face hub, small enough for a processor.

usage: tiny_model.py TOKENIZER FOLDER, where TOKENIZER is a tokenizer.json whose token 0 ends a text.

The weights come from one seed, so every machine gets the same model. The row of token 0 in the output layer is zero: its logit is 0
and some other token's is higher, so a greedy answer never ends before its limit.
"""

import json
import pathlib
import shutil
import sys

import numpy
from safetensors.numpy import save_file

HIDDEN, LAYERS, INNER, HEADS, CONTEXT = 128, 2, 256, 4, 4096
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|endoftext|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def config(vocabulary: int) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "intermediate_size": INNER,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": HIDDEN // HEADS,
        "vocab_size": vocabulary,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": "float32",
    }


def weights(vocabulary: int) -> dict:
    random = numpy.random.default_rng(7)

    def matrix(rows: int, columns: int):
        return (random.standard_normal((rows, columns)) * 0.05).astype(numpy.float32)

    ones = numpy.ones(HIDDEN, numpy.float32)
    output = matrix(vocabulary, HIDDEN)
    output[0] = 0
    tensors = {"model.embed_tokens.weight": matrix(vocabulary, HIDDEN) * 8, "model.norm.weight": ones, "lm_head.weight": output}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            tensors[f"{prefix}self_attn.{name}.weight"] = matrix(HIDDEN, HIDDEN)
        tensors[f"{prefix}mlp.gate_proj.weight"] = matrix(INNER, HIDDEN)
        tensors[f"{prefix}mlp.up_proj.weight"] = matrix(INNER, HIDDEN)
        tensors[f"{prefix}mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
        tensors[f"{prefix}input_layernorm.weight"] = ones
        tensors[f"{prefix}post_attention_layernorm.weight"] = ones
    return tensors


def main() -> None:
    tokenizer, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = len(json.loads(tokenizer.read_text())["model"]["vocab"])
    shutil.copy(tokenizer, folder / "tokenizer.json")
    documents = {
        "config.json": config(vocabulary),
        "generation_config.json": {"bos_token_id": 0, "eos_token_id": 0},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|endoftext|>",
            "eos_token": "<|endoftext|>",
            "chat_template": TEMPLATE,
            "model_max_length": CONTEXT,
        },
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=1))
    save_file(weights(vocabulary), folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
