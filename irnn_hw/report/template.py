"""Pages from templates: `page.html` of a package, with the style that all of them share."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template


def page_template(package: str, **filters: object) -> Template:
    """The package's page.html. A name that it is not given is an error, and text is escaped."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, ".") for name in (package, "irnn_hw.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template("page.html")
