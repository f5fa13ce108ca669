"""No molecule in sight: a small transformer on text, its objectives reweighted for a similarity task.

    python examples/text.py [--steps 200] [--seed 2] [--weighting tapweight]

The "language" has words of two topics and words that mean nothing. Masked words are guessed from their neighbours, two
crops of one sentence are distinguished from those of other sentences, and a third objective asks for a label drawn at
random. The task: do two sentences have the same topic? Everything runs through :class:`molweight.mlo.Loop`, as
it does for molecules: losses are pure functions of named tensors, and whatever is random is drawn before.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from molweight.mlo import Health, Loop, Params, weightings
from molweight.mlo.weightings import Weighting

WORDS, LENGTH, WIDTH, MASK = 40, 8, 16, 40
NAMES = ("masked_words", "contrast", "random_labels")


class Attention(nn.Module):
    """A transformer block written out, so that it can be differentiated twice on every device."""

    def __init__(self) -> None:
        """One head, two norms."""
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])

    def forward(self, h: Tensor) -> Tensor:
        """Vectors ``B x L x d`` to such."""
        q, k, v = self.qkv(self.norms[0](h)).chunk(3, -1)
        h = h + self.out(torch.softmax(q @ k.transpose(1, 2) / WIDTH**0.5, -1) @ v)
        result: Tensor = h + self.down(torch.tanh(self.up(self.norms[1](h))))
        return result


class Encoder(nn.Module):
    """Words ``B x L`` to vectors ``B x L x d``."""

    def __init__(self) -> None:
        """Two blocks."""
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS + 1, WIDTH), nn.Parameter(0.1 * torch.randn(LENGTH, WIDTH))
        self.blocks = nn.Sequential(Attention(), Attention())

    def forward(self, words: Tensor) -> Tensor:
        """Numbers of words to vectors."""
        result: Tensor = self.blocks(self.words(words) + self.places)
        return result


@dataclass(frozen=True)
class Corpus:
    """Sentences, their topic, and a label that means nothing."""

    words: Tensor
    topic: Tensor
    label: Tensor

    @classmethod
    def write(cls, count: int, generator: torch.Generator) -> "Corpus":
        """Sentences of which four words in ten are of their topic, the others of none."""
        topic = torch.randint(2, (count,), generator=generator)
        on_topic = torch.randint(10, (count, LENGTH), generator=generator) + 10 * topic[:, None]
        filler = torch.randint(20, (count, LENGTH), generator=generator) + 20
        words = torch.where(torch.rand(count, LENGTH, generator=generator) < 0.4, on_topic, filler)
        return cls(words, topic, torch.randint(2, (count,), generator=generator))

    def batch(self, size: int, generator: torch.Generator) -> "Corpus":
        """Some of the sentences, with repetition."""
        rows = torch.randint(len(self.words), (size,), generator=generator)
        return Corpus(self.words[rows], self.topic[rows], self.label[rows])


Loss = Callable[[Params], Tensor]


def _encode(encoder: Encoder, p: Params, words: Tensor) -> Tensor:
    own = {name.removeprefix("encoder."): tensor for name, tensor in p.items() if name.startswith("encoder.")}
    result: Tensor = torch.func.functional_call(encoder, own, (words,))
    return result


def objectives(encoder: Encoder, batch: Corpus, generator: torch.Generator) -> dict[str, Loss]:
    """Draw, then differentiate: masks and crops are data of the three losses."""
    hidden = torch.rand(batch.words.shape, generator=generator) < 0.25
    crops = [batch.words.masked_fill(torch.rand(batch.words.shape, generator=generator) < 0.4, MASK) for _ in range(2)]

    def masked_words(p: Params) -> Tensor:
        logits = _encode(encoder, p, batch.words.masked_fill(hidden, MASK)) @ p["head.words"]
        return nn.functional.cross_entropy(logits[hidden], batch.words[hidden])

    def contrast(p: Params) -> Tensor:
        one, two = (nn.functional.normalize(_encode(encoder, p, crop).mean(1), dim=1) for crop in crops)
        return nn.functional.cross_entropy(one @ two.T / 0.2, torch.arange(len(one)))

    def random_labels(p: Params) -> Tensor:
        return nn.functional.cross_entropy(_encode(encoder, p, batch.words).mean(1) @ p["head.random"], batch.label)

    return dict(zip(NAMES, (masked_words, contrast, random_labels), strict=True))


def similarity(encoder: Encoder, batch: Corpus) -> Loss:
    """Do the first and the second half of the batch, pair by pair, share a topic?"""
    half = len(batch.words) // 2
    same = (batch.topic[:half] == batch.topic[half:]).float()

    def loss(p: Params) -> Tensor:
        one, two = _encode(encoder, p, batch.words).mean(1).tensor_split(2)
        logits = (one * two) @ p["task.weight"] + p["task.bias"]
        return nn.functional.binary_cross_entropy_with_logits(logits, same)

    return loss


def build_loop(encoder: Encoder, weighting: Weighting) -> Loop:
    """The three levels: encoder and the objectives' heads, a copy of the encoder with the task's head, the weights."""

    def leaves() -> Iterator[tuple[str, Tensor]]:
        return ((f"encoder.{n}", p.detach().clone().requires_grad_()) for n, p in encoder.named_parameters())

    heads = {"head.words": 0.1 * torch.randn(WIDTH, WORDS), "head.random": 0.1 * torch.randn(WIDTH, 2)}
    task = {"task.weight": 0.1 * torch.randn(WIDTH), "task.bias": torch.zeros(())}
    return Loop(
        dict(leaves()) | {name: tensor.requires_grad_() for name, tensor in heads.items()},
        dict(leaves()) | {name: tensor.requires_grad_() for name, tensor in task.items()},
        weighting,
        pretrain_lr=3e-3,
        finetune_lr=3e-3,
    )


def train(weighting: Weighting, seed: int, steps: int) -> tuple[Loop, float, Health]:
    """Run the loop.

    Args:
        weighting: How the objectives are weighted.
        seed: Seed of everything random.
        steps: Steps of all three levels.

    Returns:
        The loop; the loss of the finetuned model on fresh text; what was watched.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    encoder = Encoder()
    loop, health = build_loop(encoder, weighting), Health(NAMES)
    corpus, finetuning, meta = (Corpus.write(size, generator) for size in (600, 200, 200))
    for _ in range(steps):
        drawn = objectives(encoder, corpus.batch(48, generator), generator)
        losses = [similarity(encoder, part.batch(48, generator)) for part in (finetuning, meta)]
        health.observe(loop.step(drawn, *losses))
    with torch.no_grad():
        return loop, float(similarity(encoder, Corpus.write(1000, generator))(loop.finetuned)), health


def main() -> None:
    """Train, and print what was learned."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--weighting", default="tapweight", help=", ".join(weightings.available()))
    options = parser.parse_args()
    loop, loss, health = train(weightings.create(options.weighting, NAMES), options.seed, options.steps)
    for name, weight in loop.weighting.as_dict().items():
        print(f"{name:14} {weight:.3f}")
    print(f"cross-entropy of the similarity task on new sentences: {loss:.3f}")
    for finding in health.findings():
        print(finding.message)


if __name__ == "__main__":
    main()
