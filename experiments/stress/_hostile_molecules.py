"""Molecules that make programs slow: large, symmetric, caged, charged, or with many forms. All are made here."""

from collections.abc import Iterator

__all__ = ["hostile_molecules"]


def hostile_molecules() -> dict[str, str]:
    """More than 200 SMILES, by a name of their difficulty."""
    found: dict[str, str] = {}
    for family in (
        _dendrimers, _chains, _combs, _grids, _cages, _polymers, _tautomers, _stereocentres, _mixtures, _digits, _odd
    ):  # fmt: skip
        found.update(family())
    return found


def _tree(core: str, arms: int, branch: str, depth: int) -> str:
    """A tree: ``branch`` holds ``*`` where the next generation goes."""
    part = "C"
    for _ in range(depth):
        part = branch.replace("*", part)
    return core + f"({part})" * (arms - 1) + part


def _dendrimers() -> Iterator[tuple[str, str]]:
    branches = {
        "carbon": "C(*)(*)*",
        "binary": "C(*)*",
        "amine": "CCN(*)*",
        "amide": "CCC(=O)NCCN(*)*",
        "ether": "Oc1cc(*)cc(*)c1",
        "phenylene": "c1cc(*)cc(*)c1",
        "silane": "CC[Si](*)(*)*",
        "phosphazene": "P(*)(*)=N",
    }
    for name, branch in branches.items():
        for depth in range(2, 8):
            text = _tree("C", 4, branch, depth)
            if len(text) < 60_000:
                yield f"dendrimer {name} {depth}", text


def _chains() -> Iterator[tuple[str, str]]:
    for length in (100, 500, 1000, 3000, 10_000, 60_000, 70_000):
        yield f"chain {length}", "C" * length
    for length in (100, 1000, 4900):
        yield f"nested {length}", "C(" * length + "C" + ")" * length
        yield f"polyene {length}", "C=" * length + "C"
        yield f"polyether {length}", "CO" * length
    for length in (20, 50, 200, 1000):
        yield f"polyacetylene {length}", "C" + "/C=C" * length + "/C"
        yield f"fluorocarbon {length}", "C(F)(F)" * length + "F"
        yield f"siloxane {length}", "[Si](C)(C)O" * length + "C"


def _combs() -> Iterator[tuple[str, str]]:
    for length in (10, 50, 200, 800):
        yield f"comb {length}", "C(CCCCCC)" * length + "C"
        yield f"comb phenyl {length}", "CC(c9ccccc9)" * length + "C"
        yield f"comb acid {length}", "CC(C(=O)O)" * length + "C"
        yield f"ladder phenylene {length}", "c9ccc(cc9)-" * length + "C"


def _grids() -> Iterator[tuple[str, str]]:
    for width, height in ((2, 20), (4, 4), (6, 6), (8, 8), (12, 12), (20, 20), (30, 30)):
        yield f"grid {width}x{height}", _grid(width, height)
    for count in (4, 8, 12, 20, 40):
        yield f"torus {count}", _edges_to_smiles(_torus(count, 4))
        yield f"prism {count}", _edges_to_smiles(_prism(count))


def _grid(width: int, height: int) -> str:
    cells = [(row, column) for row in range(height) for column in range(width)]
    edges = [
        (row * width + column, other)
        for row, column in cells
        for other in (row * width + column + 1, (row + 1) * width + column)
        if (other % width or other == (row + 1) * width + column) and other < width * height
    ]
    return _edges_to_smiles(edges)


def _torus(long: int, short: int) -> list[tuple[int, int]]:
    return [
        edge
        for row in range(long)
        for column in range(short)
        for edge in (
            (row * short + column, row * short + (column + 1) % short),
            (row * short + column, (row + 1) % long * short + column),
        )
    ]


def _prism(count: int) -> list[tuple[int, int]]:
    ring = [(place, (place + 1) % count) for place in range(count)]
    return [*ring, *((count + a, count + b) for a, b in ring), *((place, count + place) for place in range(count))]


def _edges_to_smiles(edges: list[tuple[int, int]], atom: str = "C") -> str:
    """SMILES of a graph: a path of dots, with a ring closure for each edge."""
    atoms: dict[int, list[str]] = {}
    free = list(range(99, 9, -1))
    last = {place: max(edge) for place, edge in enumerate(edges)}
    order = sorted(range(len(edges)), key=lambda place: (min(edges[place]), last[place]))
    used: dict[int, int] = {}
    count = 1 + max(max(edge) for edge in edges)
    for place in range(count):
        closing = [edge for edge in order if max(edges[edge]) == place]
        opening = [edge for edge in order if min(edges[edge]) == place]
        marks = [f"%{used[edge]}" for edge in closing]
        free += [used.pop(edge) for edge in closing]
        for edge in opening:
            used[edge] = free.pop()
            marks.append(f"%{used[edge]}")
        atoms[place] = [atom, *marks]
    return ".".join("".join(parts) for parts in atoms.values())


def _cages() -> Iterator[tuple[str, str]]:
    dodecahedron = [
        *((place, (place + 1) % 5) for place in range(5)),
        *((place, place + 5) for place in range(5)),
        *((place + 5, place + 10) for place in range(5)),
        *((place + 5, (place + 4) % 5 + 10) for place in range(5)),
        *((place + 10, place + 15) for place in range(5)),
        *((place + 15, (place + 1) % 5 + 15) for place in range(5)),
    ]
    yield "dodecahedrane", _edges_to_smiles(dodecahedron)
    yield "cubane", "C12C3C4C1C5C4C3C25"
    yield "adamantane of 20", ".".join(["C1C2CC3CC1CC(C2)C3"] * 20)
    yield "dodecahedrane stereo", _edges_to_smiles(dodecahedron, "[C@H]")
    for hexagons in (5, 10, 20, 60):
        edges = _tube(5, hexagons)
        yield f"tube {hexagons}", _edges_to_smiles(edges, "c") if hexagons < 20 else _edges_to_smiles(edges)
        yield f"tube of carbon {hexagons}", _edges_to_smiles(edges)
    yield "fullerene C60", FULLERENE
    yield "two fullerenes", f"{FULLERENE}.{FULLERENE}"
    yield "fullerene dimer", f"{FULLERENE.replace('c12', 'C12', 1)}"
    for count in (5, 7, 8):
        complete = [(a, b) for a in range(count) for b in range(a)]
        yield f"complete graph {count} of sulfur", _edges_to_smiles(complete, "[S]")
        yield f"complete graph {count} of dummies", _edges_to_smiles(complete, "*")
    for count in (20, 40):
        complete = [(a, b) for a in range(count // 2) for b in range(count // 2, count)][:90]
        yield f"bipartite graph {count} of dummies", _edges_to_smiles(complete, "*")


def _tube(around: int, rows: int) -> list[tuple[int, int]]:
    """A tube of hexagons."""
    size = 2 * around
    edges = [(row * size + place, row * size + (place + 1) % size) for row in range(rows) for place in range(size)]
    return edges + [
        (row * size + place, (row + 1) * size + place) for row in range(rows - 1) for place in range(row % 2, size, 2)
    ]


FULLERENE = (
    "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8"
    "c9c4c4c9c%10c5c5c1c1c6c6c%11c2c2c7c3c3c8c4c4c9c5c1c1c6c2c3c41"
)


def _polymers() -> Iterator[tuple[str, str]]:
    residues = {
        "glycine": "NCC(=O)",
        "alanine": "N[C@@H](C)C(=O)",
        "tryptophan": "N[C@@H](Cc8c[nH]c9ccccc89)C(=O)",
        "arginine": "N[C@@H](CCCNC(=N)N)C(=O)",
        "proline": "N8CCC[C@H]8C(=O)",
        "lysine": "N[C@@H](CCCCN)C(=O)",
        "glucose": "O[C@@H]8O[C@H](CO)[C@@H](O)[C@H](O)[C@H]8",
        "nucleotide": "OP(=O)(O)OCC8OC(CC8)n9cnc%10c9ncnc%10N",
    }
    for name, unit in residues.items():
        for length in (5, 20, 60, 200):
            yield f"poly-{name} {length}", unit * length + "O"
        ring = unit.replace("N", "N7", 1) if unit.startswith(("N[", "NC")) else None
        if ring:
            yield f"cyclic poly-{name} 30", f"{ring}{unit * 29}"[: len(ring) + 29 * len(unit)][:-5] + "7(=O)"


def _tautomers() -> Iterator[tuple[str, str]]:
    for count in (2, 4, 8, 16, 40):
        yield f"ketones {count}", "CC(=O)" * count + "C"
        yield f"guanidines {count}", "NC(=N)" * count + "N"
        yield f"porphyrin tapes {count}", ".".join(["C1=CC2=CC3=NC(=CC4=CC=C(N4)C=C5C=CC(=N5)C=C1N2)C=C3"] * count)
        yield f"hydroxypyridines {count}", ".".join(["Oc1cc(O)nc(O)n1"] * count)
    yield "porphyrin", "C1=CC2=CC3=NC(=CC4=CC=C(N4)C=C5C=CC(=N5)C=C1N2)C=C3"
    yield "uric acids", "O=c1[nH]c(=O)c2[nH]c(=O)[nH]c2[nH]1"
    yield "tetracycline", "CC1(O)c2cccc(O)c2C(=O)C2=C(O)C3(O)C(=O)C(C(N)=O)=C(O)C(N(C)C)C3CC21"
    yield "azo dyes", "Nc1ccc(N=Nc2c(O)c3c(N)cc(S(=O)(=O)O)cc3cc2S(=O)(=O)O)cc1" * 1
    yield "hexahydroxytriphenylene", "Oc1cc2c(cc1O)c1cc(O)c(O)cc1c1cc(O)c(O)cc21"
    yield "melem", "Nc1nc2nc(N)nc3nc(N)nc(n1)n23"
    yield "hydroxylated coronene", "Oc1c(O)c2c(O)c(O)c3c(O)c(O)c4c(O)c(O)c5c(O)c(O)c6c(O)c(O)c1c7c2c3c4c5c67"


def _stereocentres() -> Iterator[tuple[str, str]]:
    for count in (10, 30, 60, 200, 800):
        yield f"open centres {count}", "C(O)(F)" * count + "Cl"
        yield f"centres {count}", "[C@H](O)" * count + "Cl"
        yield f"like centres {count}", "C[C@](F)(" * count + "Cl" + ")C" * count
        yield f"double bonds {count}", "F/C=C/" * 1 + "C(=C/C)/" * count + "C"
    for depth in (2, 3, 4, 5):
        yield f"stereo dendrimer {depth}", _tree("[C@]", 4, "[C@](F)(*)*", depth)
    yield "racemates", "C[C@H](O)[C@H](F)[C@H](Cl)Br |&1:1,3,5|"


def _mixtures() -> Iterator[tuple[str, str]]:
    for count in (10, 100, 1000, 5000):
        yield f"waters {count}", ".".join(["O"] * count)
        yield f"salts {count}", ".".join(["[Na+].[Cl-]"] * count)
        yield f"benzenes {count}", ".".join(["c1ccccc1"] * count)
        yield f"aspirins {count}", ".".join(["CC(=O)Oc1ccccc1C(=O)O"] * count)[:65_000].rpartition(".")[0]


def _digits() -> Iterator[tuple[str, str]]:
    yield "closures 99", "C%99CC%99"
    yield "closures of five digits", "C%(12345)CC%(12345)"
    yield "open closures", "".join(f"C%{place:02d}" for place in range(10, 100))
    yield (
        "closures across",
        "C"
        + "".join(f"%{place:02d}" for place in range(10, 14))
        + "C".join(f"C%{place:02d}" for place in range(10, 14)),
    )
    yield "spiro 100", "C1CC11CC1" + "".join("CC" for _ in range(10))
    for count in (10, 50, 200):
        yield f"spiro chain {count}", "C1CCC2(C1)CCC1(C2)" + "CCC2(C1)CCC1(C2)" * count + "CC1"
        yield f"fused chain {count}", _acene(count)


def _acene(count: int) -> str:
    """Fused six-membered rings in a row: two chains, each atom after its opposite, joined at every second place."""
    along = [(2 * place + row, 2 * place + row + 2) for place in range(2 * count) for row in (0, 1)]
    return _edges_to_smiles([*along, *((4 * place, 4 * place + 1) for place in range(count + 1))])


_ODD = {
    "valence": "C(C)(C)(C)(C)(C)C",
    "uranium": "[U](F)(F)(F)(F)(F)(F)(F)F",
    "charge": "[C+99]",
    "isotope": "[999C]",
    "hydrogens": "[CH99]",
    "map numbers": "".join(f"[CH2:{place}]" for place in range(1, 999)),
    "dummies": "*" * 500,
    "wildcard ring": "*1***1",
    "quadruple": "[Re]$[Re]",
    "dative": "[NH3]->[Pt](Cl)(Cl)<-[NH3]",
    "ferrocene": "[Fe]123456789%10C%11=C1C2C3=C4%11.C5=6C7=C8C9C%10=5",
    "hydrogen": "[H][H]",
    "proton": "[H+]",
    "bare": "[",
    "blank": "   ",
    "dots": "." * 200,
    "brackets": "[" * 3000,
    "parens": "(" * 3000,
    "equals": "=" * 3000,
    "ten thousand": "c1ccccc1C" * 1111,
    "chiral junk": "[C@@@@@H](F)(Cl)Br",
    "long bracket": "[" + "C" * 5000 + "]",
    "unicode": "Cé日本",
    "nul": "C\x00C",
    "aromatic tin": "c1cc[sn]cc1",
    "many rings in one": "C1" + "CC1C1" * 300 + "C1",
    "clusters": "B%10%11" + "B%10%11" * 1,
    "octahedral": "[Co@OH15](F)(Cl)(Br)(I)(N)O",
    "allenes": "C=C=C=" * 60 + "C",
    "sulfur ring": "S1" + "S" * 300 + "1",
    "macrocycle": "C1" + "C" * 600 + "1",
    "lactams": "N1CCCCCC(=O)" * 1 + "1",
    "crown": "C1" + "COC" * 150 + "O1",
    "catenane": "C1" + "C" * 30 + "1.C1" + "C" * 30 + "1",
    "peroxide": "O" * 400,
    "nitrogen chain": "N" * 300,
    "calixarene": "Oc1c2cccc1Cc1cccc(c1O)Cc1cccc(c1O)Cc1cccc(c1O)C2",
    "cucurbituril": (
        "O=C1N2CN3C(=O)N4CN5C(=O)N6CN7C(=O)N8CN1C1C2N2CN9C(=O)N(CN%10C(=O)N(CN%11C(=O)N(C2)C71)C56)C34.C89%10%11"
    ),
    "phosphorus cage": "P12P3P1P23",
    "decaborane": "[BH]1[BH]2[BH]3[BH]1[BH]23",
}


def _odd() -> Iterator[tuple[str, str]]:
    yield from _ODD.items()
