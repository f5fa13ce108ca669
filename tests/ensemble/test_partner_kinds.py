"""Every partner that exists has a place in options, reports and forecasts."""

from molweight.ensemble._partner_kinds import KINDS, OF_VECTORS, PARTNERS, partner_features
from molweight.features import available
from molweight.options import EnsembleOptions
from molweight.report.internal import PART_TITLES


def test_every_partner_has_a_title_and_nothing_else_has() -> None:
    assert set(PART_TITLES) == {*KINDS, "graph", "ensemble"}


def test_every_partner_is_documented() -> None:
    text = EnsembleOptions.__doc__ or ""
    assert [name for name in KINDS if name != "tabicl" and f'"{name}"' not in text] == []


def test_feature_sets_of_partners_exist() -> None:
    known = {*available(), "profile"}
    assert [name for name in KINDS if not {*partner_features(name, ["descriptors"])} <= known] == []


def test_kinds_are_divided_into_those_of_the_table_and_others() -> None:
    assert (*PARTNERS, *OF_VECTORS, "profile", "tabicl") == tuple(KINDS)
    assert [name for name, kind in KINDS.items() if min(kind.cost) <= 0] == ["tabicl"]
