"""`make bench`: a table of what Porter takes, beside bare aiohttp or beside its goal."""

from tests.bench import idle, room, screening, web


def main() -> None:
    for part in (web, screening, room, idle):
        print(f"\n{(part.__doc__ or '').splitlines()[0]}")
        for title, figure in part.measure():
            print(f"  {title:<88} {figure}", flush=True)


if __name__ == "__main__":
    main()
