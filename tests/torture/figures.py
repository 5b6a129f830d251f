"""What a run measured, for whoever reads along."""


def tell(title: str, figures: dict[str, object]) -> None:
    """Print a short table."""
    width = max(map(len, figures))
    print(f"\n{title}")
    for name, figure in figures.items():
        print(f"  {name:<{width}}  {figure}", flush=True)
