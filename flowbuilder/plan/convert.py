from dataclasses import dataclass
@dataclass(frozen=True)
class Text:
    text: str
    origin: str
@dataclass(frozen=True)
class Given:
    value: object
    origin: str
def converted(name, value, annotation, where):
    return value
