"""The kinetic energy of a planar arm, by its mass numbers."""

from __future__ import annotations

import math

from games.robots.arm import Mass, Motion


def kinetic_energy(mass: Mass, motion: Motion) -> float:
    """Half of q' M q', in J."""
    coupling = mass.beta * math.cos(motion.angle_2)
    v1, v2 = motion.velocity_1, motion.velocity_2
    m11, m12 = mass.alpha + 2.0 * coupling, mass.delta + coupling
    return 0.5 * (m11 * v1 * v1 + 2.0 * m12 * v1 * v2 + mass.elbow * v2 * v2)
