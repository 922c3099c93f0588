"""``halflife data``: real history in, checked, adjusted, never silently changed. The work is in ``feeds.room``.

Exit codes: 0 done and nothing is wrong; 2 something is left that the user can mend: an error, a file or a symbol that
failed while the others went on, or bars with errors; 130 stopped, and what was stored stays.
"""

from __future__ import annotations

import typer

from commands import data_care, data_in, data_out
from commands.console import Command, Group

app = typer.Typer(
    cls=Group,
    help="Bars of the local catalog: bring them in, check, repair and adjust them.",
    no_args_is_help=True,
)
app.command("import", cls=Command)(data_in.import_files)
app.command("pull", cls=Command)(data_in.pull)
app.command("check", cls=Command)(data_care.check)
app.command("repair", cls=Command)(data_care.repair)
app.command("adjust", cls=Command)(data_care.adjust)
app.command("show", cls=Command)(data_out.show)
app.command("export", cls=Command)(data_out.export)
app.command("remove", cls=Command)(data_out.remove)
