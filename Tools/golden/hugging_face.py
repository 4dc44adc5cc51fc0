"""Golden models of transformers: tiny checkpoints, their logits, loss and every gradient.

Writes Tests/Fixtures/{deepseek_v3,deepseek_v3_low_rank_queries,deepseek_v3_yarn,deepseek_v3_linear,gpt2,gpt2_untied}/
with config.json and model.safetensors as transformers saves them, and golden.safetensors with inputs, targets, logits,
loss and gradients by name; and Tests/Fixtures/{kimi_k2,moonlight,published_deepseek_v3}/ with config.json as those models
are published, but for the sizes, and golden.safetensors with inputs and logits alone.
Needs torch 2.13, transformers 4.57 and safetensors.
"""
import json
import os
import sys

import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM, GPT2Config, GPT2LMHeadModel

folder = sys.argv[1] if len(sys.argv) > 1 else "Tests/Fixtures"
VOCABULARY, LENGTH, BATCH = 32, 12, 3


def fill(model, generator):
    for key, parameter in model.named_parameters():
        if parameter.dim() > 1:
            parameter.data = 0.15 * torch.randn(parameter.shape, generator=generator)
        elif "norm" in key or "ln_" in key:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
        else:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    for key, buffer in model.named_buffers():
        if "e_score_correction_bias" in key:
            buffer.data = 0.2 * torch.randn(buffer.shape, generator=generator)


def golden(name, model):
    generator = torch.Generator().manual_seed(7)
    fill(model, generator)
    path = os.path.join(folder, name)
    model.save_pretrained(path, safe_serialization=True)
    generated = os.path.join(path, "generation_config.json")
    if os.path.exists(generated):
        os.remove(generated)
    inputs = torch.randint(0, VOCABULARY, (BATCH, LENGTH), generator=generator)
    targets = torch.randint(0, VOCABULARY, (BATCH, LENGTH), generator=generator)
    logits = model(input_ids=inputs).logits
    loss = F.cross_entropy(logits.reshape(-1, VOCABULARY), targets.reshape(-1))
    loss.backward()
    out = {"inputs": inputs.float(), "targets": targets.float(), "logits": logits, "loss": loss}
    for key, parameter in model.named_parameters():
        if parameter.grad is not None:
            out["gradient." + key] = parameter.grad
    save_file({k: v.detach().contiguous().float() for k, v in out.items()},
              os.path.join(path, "golden.safetensors"))
    print(name, sum(p.numel() for p in model.parameters()), float(loss))


def deepseek(**options):
    sizes = dict(
        vocab_size=VOCABULARY, hidden_size=24, intermediate_size=20, moe_intermediate_size=12,
        num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2, n_routed_experts=4,
        num_experts_per_tok=2, n_group=1, topk_group=1, first_k_dense_replace=1, kv_lora_rank=10,
        qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=6, max_position_embeddings=16,
        routed_scaling_factor=1.41, rope_theta=1e4, bos_token_id=None, eos_token_id=None)
    return DeepseekV3ForCausalLM(DeepseekV3Config(**{**sizes, **options})).eval()


golden("deepseek_v3", deepseek(q_lora_rank=None, n_shared_experts=1, tie_word_embeddings=True))
golden("deepseek_v3_low_rank_queries",
       deepseek(q_lora_rank=14, n_shared_experts=2, tie_word_embeddings=False, rope_interleave=False))
# Groups: transformers 4 masks the others' scores with 0, transformers 5 with -infinity. Where all scores with their
# biases are above 0, as here, that is the same choice.
golden("deepseek_v3_yarn",
       deepseek(hidden_size=16, num_hidden_layers=2, q_lora_rank=8, n_shared_experts=1, n_routed_experts=8, n_group=4,
                topk_group=2, num_experts_per_tok=3, moe_intermediate_size=6, qk_rope_head_dim=8, norm_topk_prob=False,
                attention_bias=True, rope_theta=50.0, rms_norm_eps=1e-5,
                rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=24, beta_fast=1.5,
                                  beta_slow=1.0, mscale=1.0, mscale_all_dim=0.7)))
golden("deepseek_v3_linear",
       deepseek(hidden_size=12, num_hidden_layers=1, first_k_dense_replace=1, q_lora_rank=None, n_shared_experts=1,
                tie_word_embeddings=True, rope_scaling=dict(type="linear", factor=8.0)))
golden("gpt2_untied", GPT2LMHeadModel(GPT2Config(
    vocab_size=VOCABULARY, n_positions=16, n_embd=12, n_layer=1, n_head=3, n_inner=20, activation_function="gelu_new",
    layer_norm_epsilon=1e-3, tie_word_embeddings=False, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=None,
    eos_token_id=None)).eval())
golden("gpt2", GPT2LMHeadModel(GPT2Config(
    vocab_size=VOCABULARY, n_positions=16, n_embd=24, n_layer=2, n_head=3, activation_function="gelu",
    resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, bos_token_id=None, eos_token_id=None)).eval())


def published(name, **options):
    """A model whose configuration is written as it is published, with the sizes alone scaled down: not the rotated
    channels, whose number is part of YaRN."""
    configuration = dict(
        architectures=["DeepseekV3ForCausalLM"], attention_bias=False, attention_dropout=0.0,
        auto_map={"AutoConfig": "configuration_deepseek.DeepseekV3Config",
                  "AutoModel": "modeling_deepseek.DeepseekV3Model",
                  "AutoModelForCausalLM": "modeling_deepseek.DeepseekV3ForCausalLM"},
        aux_loss_alpha=0.001, ep_size=1, hidden_act="silu", hidden_size=16, initializer_range=0.02,
        intermediate_size=20, kv_lora_rank=8, model_type="deepseek_v3", moe_intermediate_size=4, moe_layer_freq=1,
        n_shared_experts=1, norm_topk_prob=True, num_attention_heads=2, num_key_value_heads=2, pretraining_tp=1,
        q_lora_rank=6, qk_nope_head_dim=8, qk_rope_head_dim=64, rms_norm_eps=1e-6, scoring_func="sigmoid",
        seq_aux=True, tie_word_embeddings=False, topk_method="noaux_tc", torch_dtype="bfloat16", use_cache=True,
        v_head_dim=8, vocab_size=VOCABULARY)
    configuration.update(options)
    names = {"type": "rope_type"}
    scaling = configuration["rope_scaling"]
    sizes = {key: value for key, value in configuration.items()
             if key not in ("auto_map", "quantization_config", "torch_dtype", "model_type")}
    sizes["rope_scaling"] = scaling and {names.get(key, key): value for key, value in scaling.items()}
    model = DeepseekV3ForCausalLM(DeepseekV3Config(**sizes)).eval()
    generator = torch.Generator().manual_seed(7)
    fill(model, generator)
    path = os.path.join(folder, name)
    model.save_pretrained(path, safe_serialization=True)
    os.remove(os.path.join(path, "generation_config.json"))
    with open(os.path.join(path, "config.json"), "w") as file:
        json.dump(configuration, file, indent=2, sort_keys=True)
        file.write("\n")
    inputs = torch.randint(0, VOCABULARY, (1, 48), generator=generator)
    with torch.no_grad():
        logits = model(input_ids=inputs).logits
    save_file({"inputs": inputs.float(), "logits": logits.contiguous()}, os.path.join(path, "golden.safetensors"))
    print(name, sum(p.numel() for p in model.parameters()), float(logits.std()))


FP8 = dict(activation_scheme="dynamic", fmt="e4m3", quant_method="fp8", weight_block_size=[128, 128])
published("kimi_k2", model_type="kimi_k2", bos_token_id=163584, eos_token_id=163585, first_k_dense_replace=1,
          max_position_embeddings=262144, n_group=1, n_routed_experts=8, num_experts_per_tok=3, num_hidden_layers=2,
          num_nextn_predict_layers=0, quantization_config=FP8, rope_theta=50000.0, routed_scaling_factor=2.827,
          topk_group=1, transformers_version="4.48.3",
          rope_scaling=dict(beta_fast=1.0, beta_slow=1.0, factor=64.0, mscale=1.0, mscale_all_dim=1.0,
                            original_max_position_embeddings=4096, type="yarn"))
published("moonlight", bos_token_id=163584, eos_token_id=163585, first_k_dense_replace=1,
          max_position_embeddings=8192, n_group=1, n_routed_experts=8, n_shared_experts=2, num_experts_per_tok=3,
          num_hidden_layers=2, num_nextn_predict_layers=0, q_lora_rank=None, rms_norm_eps=1e-5, rope_scaling=None,
          rope_theta=50000.0, routed_scaling_factor=2.446, topk_group=1, transformers_version="4.46.3")
published("published_deepseek_v3", bos_token_id=0, eos_token_id=1, first_k_dense_replace=3,
          max_position_embeddings=163840, n_group=8, n_routed_experts=16, num_experts_per_tok=3, num_hidden_layers=4,
          num_nextn_predict_layers=1, quantization_config=FP8, rope_theta=10000, routed_scaling_factor=2.5,
          topk_group=4, transformers_version="4.33.1",
          rope_scaling=dict(beta_fast=32, beta_slow=1, factor=40, mscale=1.0, mscale_all_dim=1.0,
                            original_max_position_embeddings=4096, type="yarn"))
