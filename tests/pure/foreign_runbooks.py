"""Runbooks as others write them, made up for the tests."""

from __future__ import annotations

#: The four headings, a title like an alert, lists, wrapped lines, code below an entry.
FOUR_HEADINGS = """\
# EdgeDiskAlmostFull

## Meaning

The data disk of an edge node is more than 90 % full.

<details>
<summary>Full context</summary>

The disk holds model weights and the spool.

</details>

## Impact

New weights cannot be loaded.

## Diagnosis

- Look at the node's disk usage over the last day, and note
  whether it grew slowly or at once.
- Find the largest directories:

  ```sh
  # the ten largest
  du -xh /var/lib | sort -h | tail
  ```
- Is a rollout going on? If so, wait for it.

## Mitigation

1. Delete weights that no model uses. Ask the model's owner first.

   ```sh
   weightctl prune --keep 2
   ```

2. Rotate the logs
3. If the disk is still full, order a larger one.
"""

#: Hugo front matter, other words for the sections, prose instead of lists, template braces.
PROSE = """\
---
title: "VPN tunnel down"
weight: 20
---

The tunnel between a site and the hub has carried nothing for 5 minutes.

### Troubleshooting

Check whether the tunnel is up on the hub:

```
wg show | grep {{ $labels.instance }}
```

Compare the clocks of both ends. They differ by less than a minute.

### Resolution

Restart the tunnel on the site's side.

![The gateway](gateway.png)

### Escalation

Call the network team after 30 minutes.

### References

See the design of the tunnels.
"""

#: No headings at all.
BARE = "Turn it off. Wait ten seconds. Turn it on again.\n"

#: Only what to do, with sub-headings, tasks and a table.
ONLY_STEPS = """\
# Replace a UPS battery

## Procedure

### Prepare

- not a step of its own here
- [ ] Order the battery

### Swap the battery

* [x] Pull the old pack
* Push the new pack until it clicks

| lamp | meaning |
|---|---|
| green | well |

## Validation

The UPS shows 100 % within a day.
"""

EVERY_FOREIGN = [FOUR_HEADINGS, PROSE, BARE, ONLY_STEPS]
