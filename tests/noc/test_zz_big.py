from __future__ import annotations
import gzip, time, random, cProfile, pstats
import pytest
from fleet.models import *
from runbooks.models import SiteEscalation
from tests.factories import *
from django.db import transaction
from django.utils import timezone
from fleet.noc.fleet_board import fleet_board
import brotli
pytestmark = pytest.mark.django_db
def test_big(client):
    now = timezone.now()
    with transaction.atomic():
        owners = [make_contact(owner=make_owner(name=f"Person {i}")).owner for i in range(40)]
        pol = make_policy()
        sites = Site.objects.bulk_create([Site(slug=f"site-{i}", name=f"Site-{i}", pattern="mesh", status="active", region=["Asia Pacific","Europe","Americas","Africa"][i%4], place="x", time_zone="UTC", owner=owners[i%40]) for i in range(1000)])
        SiteEscalation.objects.bulk_create([SiteEscalation(site=s, policy=pol) for s in sites])
        Node.objects.bulk_create([Node(site=s, name=f"node-{j}", last_received_at=now) for s in sites for j in range(10)])
        nodes = list(Node.objects.all())
        ReportedState.objects.bulk_create([ReportedState(node=n, kind=k, name=f"{k}-x", state="ready", observed_at=now) for n in nodes for k in ("model","config")])
    user = make_user("operator"); client.force_login(user)
    for _ in range(3):
        t=time.perf_counter(); b=fleet_board(user=user, now=now); t1=time.perf_counter()
        r=client.get("/"); t2=time.perf_counter()
        print("board ms", (t1-t)*1e3, "page ms", (t2-t1)*1e3, len(r.content), len(gzip.compress(r.content)), len(brotli.compress(r.content)))
    pr=cProfile.Profile(); pr.enable(); client.get("/"); pr.disable(); pstats.Stats(pr).sort_stats("cumtime").print_stats(35)
