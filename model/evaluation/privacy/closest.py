"""Are the synthetic stays closer to the stays that were trained on than to those that were put aside?"""

from __future__ import annotations

import numpy as np

from model.evaluation.disclosure import MIN_STAYS, safe_shares
from model.evaluation.privacy.intervals import GATE_TAIL, TAIL, Z95, Z_GATE, balanced, lower, upper
from model.evaluation.privacy.neighbours import nearest
from model.evaluation.privacy.rarity import rarity_of
from model.evaluation.privacy.space import MIN_SYNTHETIC
from model.evaluation.privacy.view import NO_HOLDOUT, Nearest, Side, View
from model.evaluation.space import Bools, Codes, Figure, Floats, NotAvailable, Tick, no_tick, part_of
from model.spec.figures import DistanceHistogram

MIN_HOLDOUT = 50
TAIL_DEPTHS = (0.01, 0.05)
N_BINS = 40
NEIGHBOURLY = 1.15  # the figure's spread over draws of one distribution, relative to that of independent stays


def dcr_share(view: View, *, about: Bools | None = None, threshold: float, tick: Tick = no_tick) -> Figure:
    """Share of the synthetic stays whose closest record is a training and not a holdout stay; 0.5 is chance.

    All training stays take part, not as many as there are in the holdout: the odds are divided by those of chance.
    Stays equally close to both are left out. The interval allows for several stays having the same closest record
    (effective number of Kish 1965). Raises NotAvailable below 50 stays in the holdout or in the table.
    """
    found = view.synthetic_to_real(tick).take(view.rows_of(about))
    return _share(found, view, threshold=threshold)


def dcr_tail_share(view: View, *, about: Bools | None = None, threshold: float, tick: Tick = no_tick) -> Figure:
    """`dcr_share` among the synthetic stays that are closest to one record: the worse of the closest 1 % and 5 %.

    Closest is judged by how rare the NNDR is among real stays that tell as much; a distance alone would pick the flat
    and nearly empty stays, which are close to many. At least 50 stays.
    """
    found, wanted = view.synthetic_to_real(part_of(tick, 0, 2)), view.rows_of(about)
    rarity = rarity_of(view, tick=part_of(tick, 1, 2)).rarity[wanted]
    chosen = found.take(wanted)
    if len(rarity) < 2 * MIN_SYNTHETIC:
        raise NotAvailable(f"fewer than {2 * MIN_SYNTHETIC} synthetic stays")
    order = np.lexsort((chosen.first, chosen.ratio, rarity))
    depths = sorted({max(MIN_SYNTHETIC, round(depth * len(order))) for depth in TAIL_DEPTHS})
    figures = [_share(chosen.take(order[:n]), view, threshold=threshold, tests=len(depths)) for n in depths]
    worst = max(range(len(depths)), key=lambda i: figures[i].gate_low or 0.0)
    return figures[worst]._replace(sample=f"the closest {depths[worst]:,} synthetic stays")


def nndr(view: View, *, tick: Tick = no_tick) -> Figure:
    """Median nearest-neighbour distance ratio of the synthetic stays to the training stays, beside the holdout's."""
    found = view.synthetic_to_real(part_of(tick, 0, 2), train_only=True).ratio
    if len(found) < 2 or len(view.train) < 2:
        raise NotAvailable("there are too few stays")
    real = view.real_to_real(part_of(tick, 1, 2), train_only=True).ratio[len(view.train_rows) :]
    ordered, half = np.sort(found), Z95 * np.sqrt(len(found)) / 2
    low, high = int(max(0, len(found) / 2 - half)), int(min(len(found) - 1, len(found) / 2 + half))
    return Figure(
        float(np.median(ordered)),
        float(ordered[low]),
        float(ordered[high]),
        holdout_value=float(np.median(real)) if len(real) else None,
        sample=view.sample,
    )


def nnaa_loss(view: View, *, threshold: float, tick: Tick = no_tick) -> Figure:
    """Privacy loss: nearest-neighbour adversarial accuracy of the holdout's side minus that of the training side.

    Yale et al. 2020, eq. 1-3: AA of two equally large sets is the mean share of stays that are closer to their own set
    than to the other (0.5: the sets cannot be told apart). A generator that copies training stays has an AA below 0.5
    on their side only. The interval is that of independent stays, widened: stays share neighbours (see NEIGHBOURLY).
    """
    n = min(len(view.train), len(view.holdout), len(view.synthetic), view.effort.adversarial)
    if n < MIN_HOLDOUT:
        raise NotAvailable(f"fewer than {MIN_HOLDOUT} stays in the holdout, the training or the synthetic set")
    rng = np.random.default_rng(view.seed + 4)
    sides = [_pick(side, n, rng) for side in (view.train, view.holdout, view.synthetic)]
    train, holdout, synthetic = sides
    own = [_first(side, side, part_of(tick, k, 7)) for k, side in enumerate(sides)]
    from_train = _first(train, synthetic, part_of(tick, 3, 7)) > own[0]
    from_holdout = _first(holdout, synthetic, part_of(tick, 4, 7)) > own[1]
    to_train = _first(synthetic, train, part_of(tick, 5, 7)) > own[2]
    to_holdout = _first(synthetic, holdout, part_of(tick, 6, 7)) > own[2]
    back = to_holdout.astype(np.float64) - to_train
    value = float(from_holdout.mean() - from_train.mean() + back.mean()) / 2
    error = float(np.sqrt((from_holdout.var() + from_train.var() + back.var()) / n)) / 2 * NEIGHBOURLY
    return Figure(
        value,
        value - Z95 * error,
        value + Z95 * error,
        holdout_value=0.0,
        threshold=threshold,
        sample=f"{n:,} stays of each set",
        gate_low=value - Z_GATE * error,
    )


def histogram(view: View, title: str, *, tick: Tick = no_tick) -> DistanceHistogram:
    """Distances to the closest record, of synthetic stays to training and to holdout, and of holdout to training."""
    found = view.synthetic_to_real(part_of(tick, 0, 2))
    aside = view.real_to_real(part_of(tick, 1, 2)).train[len(view.train_rows) :]
    every = np.concatenate([found.train, found.holdout, aside])
    every = every[np.isfinite(every)]
    top = float(np.quantile(every, 0.995)) if len(every) else 1.0
    edges = np.linspace(0.0, round(top, 1) or 1.0, N_BINS + 1)
    return DistanceHistogram(
        title=title,
        edges=tuple(edges.round(6).tolist()),
        synthetic_to_training=_shares(found.train, edges),
        synthetic_to_holdout=_shares(found.holdout, edges) if len(view.holdout) else (),
        holdout_to_training=_told_shares(aside, edges),
    )


def _share(found: Nearest, view: View, *, threshold: float, tests: int = 1) -> Figure:
    if len(view.holdout) < MIN_HOLDOUT:
        raise NotAvailable(
            NO_HOLDOUT if not len(view.holdout) else f"there are fewer than {MIN_HOLDOUT} stays in the holdout"
        )
    if len(found.first) < MIN_SYNTHETIC:
        raise NotAvailable(f"fewer than {MIN_SYNTHETIC} synthetic stays")
    apart = found.train != found.holdout
    closer = (found.train < found.holdout)[apart]
    chance = len(view.train) / (len(view.train) + len(view.holdout))
    if not len(closer):
        return Figure(0.5, 0.0, 1.0, holdout_value=0.5, threshold=threshold, gate_low=0.0)
    counts = np.bincount(found.record[apart])
    n = len(closer) ** 2 / float((counts.astype(np.float64) ** 2).sum())
    share = float(closer.mean())
    return Figure(
        balanced(share, chance),
        balanced(lower(share * n, n, tail=TAIL / tests), chance),
        balanced(upper(share * n, n, tail=TAIL / tests), chance),
        holdout_value=0.5,
        threshold=threshold,
        sample=view.sample,
        gate_low=balanced(lower(share * n, n, tail=GATE_TAIL / tests), chance),
    )


def _pick(side: Side, n: int, rng: np.random.Generator) -> Side:
    chosen: Codes = np.sort(rng.permutation(len(side))[:n])
    return side.take(chosen)


def _first(queries: Side, pool: Side, tick: Tick) -> Floats:
    """Distances to the nearest record of the pool; within one set, of another group."""
    groups = (queries.groups, pool.groups) if queries is pool else (None, None)
    found = nearest(queries.records, pool.records, k=1, query_groups=groups[0], pool_groups=groups[1], tick=tick)
    return found.distance[:, 0]


def _shares(distances: Floats, edges: Floats) -> tuple[float, ...]:
    """Shares per bin; the last one also has what is beyond."""
    counts = np.histogram(np.clip(distances, edges[0], edges[-1]), edges)[0]
    return tuple((counts / max(len(distances), 1)).tolist())


def _told_shares(distances: Floats, edges: Floats) -> tuple[float, ...]:
    """The same for real stays: no bin tells of fewer than 11."""
    if len(distances) < MIN_STAYS:
        return ()
    counts = np.histogram(np.clip(distances, edges[0], edges[-1]), edges)[0]
    return tuple(safe_shares(counts.astype(np.float64), counts.astype(np.int64), total=len(distances)).tolist())
