/**
 * GPT-2 in PyTorch, for `python3 -c`. Prints its version and threads, then, for each line of JSON on standard input
 * ({L, NH, C, V, Vp, maxT, B, T, steps}), the milliseconds of that many training steps. Arguments: threads, and "cpu" or "gpu"
(CUDA, ROCm or Metal), in float32 without TF32.
 */
export const torchScript = `
import json, re, sys, time
import torch
from torch import nn
from torch.nn import functional as F


def say(**facts):
    print(json.dumps(facts), flush=True)


threads = int(sys.argv[1])
torch.set_num_threads(threads)
torch.manual_seed(1)
device = torch.device("cpu")
if sys.argv[2] == "gpu":
    metal = getattr(torch.backends, "mps", None)
    if torch.cuda.is_available():
        device = torch.device("cuda")
        torch.backends.cuda.matmul.allow_tf32 = False
    elif metal and metal.is_available():
        device = torch.device("mps")
    else:
        say(error="it finds no GPU")
        sys.exit()
fused_attention = getattr(F, "scaled_dot_product_attention", None)


class Block(nn.Module):
    def __init__(self, channels, heads, max_t):
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.projection = nn.Linear(channels, channels)
        self.before_mlp = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, 4 * channels)
        self.down = nn.Linear(4 * channels, channels)
        above = torch.ones(max_t, max_t, dtype=torch.bool).triu(1)
        self.register_buffer("above", above, persistent=False)

    def attend(self, x):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, self.heads, -1).transpose(1, 2) for part in self.qkv(x).split(c, dim=2))
        if fused_attention:
            y = fused_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(2, 3)) * (c // self.heads) ** -0.5
            y = scores.masked_fill(self.above[:t, :t], float("-inf")).softmax(dim=3) @ v
        return self.projection(y.transpose(1, 2).reshape(b, t, c))

    def forward(self, x):
        x = x + self.attend(self.before_attention(x))
        return x + self.down(F.gelu(self.up(self.before_mlp(x)), approximate="tanh"))


class GPT2(nn.Module):
    def __init__(self, layers, heads, channels, vocabulary, max_t):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, channels)
        self.positions = nn.Embedding(max_t, channels)
        self.blocks = nn.ModuleList(Block(channels, heads, max_t) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, tokens, targets):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


libraries = re.findall(r"Math Kernel Library Version [0-9.]+|MKL-DNN v[0-9.]+|BLAS_INFO=\\w+", torch.__config__.show())
say(version=torch.__version__, libraries=libraries, threads=torch.get_num_threads(), device=
    torch.cuda.get_device_name() if device.type == "cuda" else device.type, capability=torch.backends.cpu.get_cpu_capability()
    if hasattr(torch.backends, "cpu") and hasattr(torch.backends.cpu, "get_cpu_capability") else "")
models = {}
for line in sys.stdin:
    try:
        job = json.loads(line)
        shape = (job["L"], job["NH"], job["C"], job["Vp"], job["maxT"])
        if shape not in models:
            models.clear()
            model = GPT2(*shape).to(device)
            models[shape] = model, torch.optim.AdamW(model.parameters(), lr=1e-4)
        model, optimizer = models[shape]
        times = []
        for _ in range(job["steps"]):
            batch = torch.randint(job["V"], (job["B"], job["T"] + 1), device=device)
            start = time.perf_counter()
            loss = model(batch[:, :-1].contiguous(), batch[:, 1:].contiguous())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss.item()
            times.append(1000 * (time.perf_counter() - start))
        say(times=times)
    except Exception as error:
        say(error=(str(error) or repr(error)).splitlines()[0])
`;
