"""Who and what the demo's fleet consists of. Everybody and everything here is made up."""

from __future__ import annotations

from dataclasses import dataclass, field

TRIAGE = (
    "triage-7b",
    "2.3.0",
    "sha256:5f1c9e0a77b24d1f8e6b0a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70",
)
TRIAGE_BAD = (
    "triage-7b",
    "2.3.1",
    "sha256:c0ffee1177b24d1f8e6b0a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f71",
)
SHELF = (
    "shelf-count",
    "1.8.2",
    "sha256:a81d3b5577b24d1f8e6b0a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f72",
)
DOOR = (
    "door-access",
    "4.1.0",
    "sha256:d00d4b6677b24d1f8e6b0a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f73",
)

SSHD = ("sshd_config", "sha256:11aa22bb33cc44dd55ee66ff7788990011aa22bb33cc44dd55ee66ff77889900")
SSHD_CHANGED = (
    "sshd_config",
    "sha256:99aa22bb33cc44dd55ee66ff7788990011aa22bb33cc44dd55ee66ff77889911",
)
CHRONY = ("chrony.conf", "sha256:22bb33cc44dd55ee66ff7788990011aa22bb33cc44dd55ee66ff778899001122")
RUNTIME = (
    "runtime.toml",
    "sha256:33cc44dd55ee66ff7788990011aa22bb33cc44dd55ee66ff7788990011223344",
)


@dataclass(frozen=True, slots=True)
class DemoOwner:
    """One named person of the demo."""

    key: str
    name: str
    time_zone: str
    #: Of ranges that are kept free for examples.
    phone: str
    is_catch_all: bool = False


@dataclass(frozen=True, slots=True)
class DemoSite:
    """One site of the demo."""

    slug: str
    name: str
    pattern: str
    region: str
    place: str
    time_zone: str
    owner: str
    policy: str
    nodes: int
    models: tuple[tuple[str, str, str], ...] = (DOOR, SHELF)
    parent: str = ""
    uplink: str = ""
    ashrae_class: str = ""
    #: Inlet air when all is well, °C.
    inlet: float = 23.0
    spot: tuple[float, float] = field(default=(0.0, 0.0))
    #: Whom to call in an emergency: a word, and a number of the same ranges.
    numbers: tuple[tuple[str, str], ...] = ()


OWNERS = (
    DemoOwner("kenji", "Kenji Mori", "Asia/Tokyo", "+1 202 555 0101"),
    DemoOwner("mei", "Mei Tanaka", "Asia/Tokyo", "+1 202 555 0102"),
    DemoOwner("jiwoo", "Jiwoo Park", "Asia/Seoul", "+1 202 555 0103"),
    DemoOwner("anjali", "Anjali Rao", "Asia/Kolkata", "+1 202 555 0104"),
    DemoOwner("anne", "Anne Roux", "Europe/Paris", "+33 1 99 00 10 05"),
    DemoOwner("tom", "Tom Whitfield", "Europe/London", "+44 20 7946 0106"),
    DemoOwner("ines", "Inês Carvalho", "Europe/Lisbon", "+33 1 99 00 10 07"),
    DemoOwner("marta", "Marta Zielińska", "Europe/Warsaw", "+33 1 99 00 10 08"),
    DemoOwner("luis", "Luis Ortega", "America/Chicago", "+1 202 555 0109"),
    DemoOwner("beatriz", "Beatriz Lima", "America/Sao_Paulo", "+1 202 555 0110"),
    DemoOwner("claire", "Claire Dubois", "America/Toronto", "+1 202 555 0111"),
    DemoOwner("samira", "Samira Haddad", "Europe/Paris", "+33 1 99 00 10 12", is_catch_all=True),
)

#: Policy: name, then the owner keys of each step after the site's own owner.
POLICIES = {
    "asia-pacific": ("Asia Pacific", ("mei", "samira")),
    "europe": ("Europe", ("anne", "samira")),
    "americas": ("Americas", ("luis", "samira")),
}
#: An alert that somebody took and forgot pages anew after this.
ACKNOWLEDGED_SECONDS = 1800
#: The schedule that every policy pages after the people of its region.
SCHEDULE = "noc"
#: Where work recurs.
FILTERED = "porto-depot"
#: Where a full disk was cleared yesterday.
CLEARED = "gdansk-port"
#: Short, so that a visitor sees the next person paged; a real policy waits 5 min or more.
STEP_SECONDS = 45

SITES = (
    DemoSite(
        "osaka-hub",
        "Osaka-Hub",
        "hub",
        "Asia Pacific",
        "2-4-9 Umeda, Osaka, Japan. Key at the loading desk, B1.",
        "Asia/Tokyo",
        "kenji",
        "asia-pacific",
        4,
        uplink="Kinki Fibre 118",
        spot=(34.70, 135.50),
        numbers=(("Building security", "+1 202 555 0141"), ("Power company", "+1 202 555 0142")),
    ),
    DemoSite(
        "osaka-3",
        "Osaka-3",
        "spur",
        "Asia Pacific",
        "1-12 Namba, Osaka, Japan. Shop back room, ask for the manager.",
        "Asia/Tokyo",
        "kenji",
        "asia-pacific",
        4,
        parent="osaka-hub",
        uplink="Kinki Fibre 204",
        spot=(34.66, 135.50),
        numbers=(("Shop manager", "+1 202 555 0143"), ("Power company", "+1 202 555 0142")),
        ashrae_class="A2",
    ),
    DemoSite(
        "kobe-1",
        "Kobe-1",
        "spur",
        "Asia Pacific",
        "5 Sannomiya, Kobe, Japan. Cabinet behind the pharmacy.",
        "Asia/Tokyo",
        "kenji",
        "asia-pacific",
        3,
        parent="osaka-hub",
        uplink="Kinki Fibre 207",
        spot=(34.69, 135.19),
    ),
    DemoSite(
        "busan-1",
        "Busan-1",
        "mesh",
        "Asia Pacific",
        "77 Jungang-daero, Busan, Korea. Roof plant room.",
        "Asia/Seoul",
        "jiwoo",
        "asia-pacific",
        3,
        uplink="Haeundae Net 12",
        spot=(35.11, 129.04),
    ),
    DemoSite(
        "pune-factory",
        "Pune-Factory",
        "pod",
        "Asia Pacific",
        "Plot 41, Chakan, Pune, India. Pod by loading door 3.",
        "Asia/Kolkata",
        "anjali",
        "asia-pacific",
        6,
        uplink="Deccan Link 3",
        ashrae_class="A3",
        inlet=24.5,
        spot=(18.76, 73.86),
    ),
    DemoSite(
        "lyon-hub",
        "Lyon-Hub",
        "hub",
        "Europe",
        "18 rue de la Part-Dieu, Lyon, France. Badge at reception.",
        "Europe/Paris",
        "anne",
        "europe",
        4,
        (DOOR, TRIAGE),
        uplink="Rhône Télécom A",
        spot=(45.76, 4.86),
    ),
    DemoSite(
        "lyon-clinic",
        "Lyon-Clinic",
        "spur",
        "Europe",
        "3 quai Claude Bernard, Lyon, France. Back corridor, keep it free.",
        "Europe/Paris",
        "anne",
        "europe",
        4,
        (DOOR, TRIAGE),
        parent="lyon-hub",
        uplink="Rhône Télécom C",
        spot=(45.75, 4.84),
    ),
    DemoSite(
        "leeds-2",
        "Leeds-2",
        "mesh",
        "Europe",
        "40 Wellington Street, Leeds, England. Basement, code from the guard.",
        "Europe/London",
        "tom",
        "europe",
        3,
        uplink="Aire Broadband 9",
        spot=(53.79, -1.55),
    ),
    DemoSite(
        "porto-depot",
        "Porto-Depot",
        "mesh",
        "Europe",
        "Rua do Freixo 900, Porto, Portugal. Mezzanine.",
        "Europe/Lisbon",
        "ines",
        "europe",
        4,
        uplink="Douro Fibra 31",
        spot=(41.15, -8.58),
    ),
    DemoSite(
        "gdansk-port",
        "Gdańsk-Port",
        "mesh",
        "Europe",
        "Nabrzeże 7, Gdańsk, Poland. Container by the crane.",
        "Europe/Warsaw",
        "marta",
        "europe",
        3,
        uplink="Bałtyk Net 5",
        spot=(54.40, 18.67),
    ),
    DemoSite(
        "austin-retail-4",
        "Austin-Retail-4",
        "mesh",
        "Americas",
        "2200 S Lamar Blvd, Austin, USA. Stock room, left wall.",
        "America/Chicago",
        "luis",
        "americas",
        3,
        uplink="Lone Star 44",
        spot=(30.25, -97.77),
    ),
    DemoSite(
        "sao-paulo-lab",
        "São-Paulo-Lab",
        "mesh",
        "Americas",
        "Av. Paulista 1500, São Paulo, Brazil. Floor 3, lab gate.",
        "America/Sao_Paulo",
        "beatriz",
        "americas",
        3,
        (DOOR, TRIAGE),
        uplink="Planalto 8",
        spot=(-23.56, -46.66),
    ),
    DemoSite(
        "toronto-pod",
        "Toronto-Pod",
        "pod",
        "Americas",
        "15 Front Street W, Toronto, Canada. Pod in the parking level P2.",
        "America/Toronto",
        "claire",
        "americas",
        4,
        uplink="Lakeshore 2",
        spot=(43.65, -79.38),
    ),
)

#: The site of the real agent on the machine that runs the demo.
THIS_MACHINE = "this-machine"
