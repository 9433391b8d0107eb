"""The numbers of a comparison: the one list from which tables, page and terminal take theirs."""

from femtms.report.column import Column


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


COLUMNS = (
    Column(
        "E_brain_V_per_m_per_A_per_us", "|E| brain", "V/m per A/µs", 2,
        "brain maximum of |E| for 1 A/µs",
        lambda case, target, period: case.E_brain,
        r"$|E|$ (V/m per A/\textmu s)", "V/m per A/µs",
    ),
    Column(
        "E_brain_at_limit_V_per_m", "|E| at limit", "V/m", 0,
        "the same at the largest dI/dt of the stimulator; of several stimulators, all driven alike, of the weakest",
        lambda case, target, period: case.E_limit,
    ),
    Column(
        "d_half_cm", "d½", "cm", 2,
        "greatest depth with at least half the brain maximum",
        lambda case, target, period: 1e2 * case.d_half,
        r"$d_{1/2}$ (cm)", "d½ cm",
    ),
    Column(
        "s_half_cm2", "S½", "cm²", 1,
        "spread: V½/d½",
        lambda case, target, period: 1e4 * case.s_half,
        r"$S_{1/2}$ (cm$^2$)", "S½ cm²",
    ),
    Column(
        "v_half_cm3", "V½", "cm³", 1,
        "volume of brain with at least half the brain maximum",
        lambda case, target, period: 1e6 * case.v_half,
    ),
    Column(
        "gm_50_ml", "GM ≥ 50 %", "mL", 1,
        "grey matter with at least half the brain maximum",
        lambda case, target, period: _scaled(case.gm_50, 1e6),
        r"GM $\geq 50\,\%$ (mL)",
    ),
    Column(
        "gm_75_ml", "GM ≥ 75 %", "mL", 1,
        "grey matter with at least three quarters of the brain maximum",
        lambda case, target, period: _scaled(case.gm_75, 1e6),
    ),
    Column(
        "E_scalp_V_per_m_per_A_per_us", "|E| scalp", "V/m per A/µs", 2,
        "maximum of |E| in the scalp for 1 A/µs",
        lambda case, target, period: case.E_scalp,
        on_page=False,
    ),
    Column(
        "scalp_cortex_ratio", "scalp/cortex", "", 2,
        "field in the scalp by that in the brain",
        lambda case, target, period: case.scalp_ratio,
        "scalp/cortex",
    ),
    Column(
        "didt_for_target_A_per_us", "dI/dt", "A/µs", 1,
        "rate of change of the current for the target",
        lambda case, target, period: 1e-6 * case.didt_for(target),
        r"$\mathrm{d}I/\mathrm{d}t$ (A/\textmu s)", "A/µs",
    ),
    Column(
        "share_of_max_percent", "of limit", "%", 0,
        "that as a share of the stimulator's largest; of several stimulators, all driven alike, of the weakest's",
        lambda case, target, period: _scaled(case.share_for(target), 100),
        r"of maximum (\%)", "% of limit",
    ),
    Column(
        "max_didt_A_per_us", "limit", "A/µs", 1,
        "largest rate of change that the stimulator gives",
        lambda case, target, period: _scaled(case.coil.max_didt, 1e-6),
        on_page=False,
    ),
    Column(
        "inductance_uH", "L", "µH", 1,
        "inductance of the coil",
        lambda case, target, period: _scaled(case.coil.inductance, 1e6),
        r"$L$ (\textmu H)",
    ),
    Column(
        "energy_for_target_J", "energy", "J", 1,
        "magnetic energy of the coil for the target",
        lambda case, target, period: case.energy_for(target, period),
        "energy (J)",
    ),
    Column(
        "gm_estimated_error_percent", "error", "%", 1,
        "estimated error of the finite elements: relative L2 norm of that of E in grey matter",
        lambda case, target, period: _scaled(case.gm_error, 100),
        r"error (\%)",
    ),
    Column(
        "clearance_mm", "clearance", "mm", 1,
        "distance of the casing or, without one, of the wires from the scalp",
        lambda case, target, period: _scaled(case.clearance, 1e3),
    ),
    Column(
        "centre_mm", "centre", "mm", 1,
        "distance of the coil's centre from the scalp: more than the clearance of wings or casing, less in a ring",
        lambda case, target, period: _scaled(case.centre, 1e3),
    ),
)  # fmt: skip
