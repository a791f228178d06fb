"""The registry of what an application can run: sagas, their phases and undos. Pure: runs nothing.

A plain job is a saga of one phase. Handlers are called with a :class:`Context` and the arguments
the job was submitted with; an undo with the phase's result besides.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from attrs import field, frozen
from attrs.validators import optional

from parcae.commands import Migrate
from parcae.context import PAYLOAD, Context
from parcae.handlers import Handler, Phase, arguments_of, bind
from parcae.payloads import dump
from parcae.shape import Moves, Shape
from parcae.shapes import Changed, Fit, Handlers, Verdict, fit, shape_of
from parcae.spec import OnLost, Retry, Spec, Timing, Unique
from parcae.state import Job
from parcae.values import Lane, blob, seconds, valid_duration, valid_name, valid_number

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Migration = Callable[[Shape], Moves]
"""Says what the phases of an old shape have become. Pure: the same for every job of that shape."""

Async = Callable[Concatenate[Context, P], Coroutine[Any, Any, R]]
Plain = Callable[Concatenate[Context, P], R]


@frozen(kw_only=True)
class Request(Generic[R]):
    """A job that is ready to be submitted.

    Attributes:
        spec: what it is asked to be.
        payload: its arguments, as bytes.
        returns: the type of the last phase's result.
    """

    spec: Spec
    payload: bytes
    returns: Any = Any


@frozen(kw_only=True)
class Isolation:
    """Each call of a handler is a process of its own, which can be killed whatever it does.

    The handler must be importable by its name, as for :mod:`multiprocessing`; what it returns goes
    through JSON. Starting a process takes a good part of a second.

    Attributes:
        memory: bytes of address space, where the system has such a limit; ``None``: no bound.
        cpu: processor time, likewise.
        grace: how long it may go on after it was asked to stop, before it is killed.
    """

    memory: int | None = field(default=None, validator=optional(valid_number(1 << 20, 1 << 50)))
    cpu: timedelta | None = field(default=None, validator=valid_duration(seconds(1)))
    grace: timedelta = field(default=seconds(5), validator=valid_duration(timedelta(0)))


def _version(value: object) -> object:
    return f"{value}" if isinstance(value, int) and not isinstance(value, bool) else value


@frozen(kw_only=True)
class Options:
    """What all jobs of one definition share; see :class:`~parcae.spec.Spec`.

    Attributes:
        version: of the definition, a short text or a number: change it when the phases change.
        uninterruptible: its handlers must not be cut off in a shutdown.
        expected: how long an attempt takes when all is well: the validator compares it with
            ``timing``.
        unique: a constraint that holds for every job submitted by itself, not in a group.
        isolate: each call of a handler is a process of its own, which can be killed.
        changed: what becomes of living jobs whose phases are not today's.
    """

    version: str = field(default="1", converter=_version, validator=valid_name)
    queue: str = "default"
    priority: int = 0
    retry: Retry = field(factory=Retry)
    on_lost: OnLost = field(factory=OnLost)
    timing: Timing = field(factory=Timing)
    uninterruptible: bool = False
    expected: timedelta | None = field(default=None, validator=valid_duration(timedelta(0)))
    unique: Unique | None = None
    isolate: Isolation | None = None
    changed: Changed = field(default=Changed.REFUSE, converter=Changed)


class PhaseDecorator(Protocol[P]):
    """Makes a :class:`~parcae.handlers.Phase` of an ``async`` or a plain function."""

    @overload
    def __call__(self, handler: Async[P, R], /) -> Phase[R]: ...

    @overload
    def __call__(self, handler: Plain[P, R], /) -> Phase[R]: ...

    def __call__(self, handler: Any, /) -> Any:
        """Register ``handler``."""
        ...


class Saga(Generic[P]):
    """A definition: named phases that run one after the other, and their undos in reverse."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.options = options
        self.phases: dict[str, Phase[Any]] = {}
        self.retired: dict[str, Phase[Any]] = {}
        self.migrations: dict[str, Migration] = {}

    @property
    def shape(self) -> Shape:
        """What jobs that are submitted now are to go through."""
        phases = tuple(phase.spec() for phase in self.phases.values())
        return Shape(version=self.options.version, phases=phases)

    @property
    def handlers(self) -> Handlers:
        """What can be run here, for old jobs too."""
        every = {**self.phases, **self.retired}
        undos = (name for name, phase in every.items() if phase.undo_handler is not None)
        return Handlers(phases=frozenset(every), undos=frozenset(undos))

    def fit(self, job: Job) -> Fit:
        """What becomes of ``job`` here; see :func:`parcae.shapes.fit`."""
        try:
            command = self.migration(shape_of(job.spec))
        except ValueError as error:
            return Fit(verdict=Verdict.GIVE_BACK, broken=str(error))
        return fit(job, self.shape, self.handlers, self.options.changed, command)

    def migrate(self, *versions: str | int) -> Callable[[Migration], Migration]:
        """Register the function that migrates living jobs of these older versions.

        It is given the :class:`~parcae.shape.Shape` of the job and returns
        :class:`~parcae.shape.Moves`: what its phases have become.

        Raises:
            TypeError: the definition has not chosen ``changed='migrate'``, or no version, its own
                one or one that has a function already is named.
        """
        names = [str(one) for one in versions]
        if self.options.changed is not Changed.MIGRATE:
            raise TypeError(f"expected saga {self.name!r} to have changed='migrate'")
        taken = {self.options.version, *self.migrations}
        if not names or len(set(names)) != len(names) or taken & set(names):
            expected = f"older versions of saga {self.name!r} that have no function yet"
            raise TypeError(f"expected {expected}, got {names}")

        def register(function: Migration) -> Migration:
            self.migrations.update(dict.fromkeys(names, function))
            return function

        return register

    def migration(self, was: Shape, by: str = "") -> Migrate | None:
        """What is asked of living jobs of that shape; ``None``: nothing.

        Raises:
            ValueError: the function for that version raised, or returned something else.
        """
        function = self.migrations.get(was.version)
        if function is None:
            return None
        try:
            moves = function(was)
            if not isinstance(moves, Moves):
                raise TypeError(f"expected Moves, got {moves!r:.200}")
        except Exception as error:
            what = f"the function that migrates kind {self.name!r} from version {was.version}"
            raise ValueError(f"{what} failed: {type(error).__name__}: {error}") from error
        return Migrate(was=was, now=self.shape, moves=moves, by=by)

    def handler(self, name: str) -> Phase[Any]:
        """The phase of that name, one that only old jobs have included.

        Raises:
            LookupError: there is none.
        """
        found = self.phases.get(name) or self.retired.get(name)
        if found is None:
            raise LookupError(f"{self.name!r} has no phase {name!r} here")
        return found

    @overload
    def phase(self, handler: Callable[Concatenate[Context, P], R]) -> Phase[R]: ...

    @overload
    def phase(
        self, *, name: str | None = None, retired: bool = False
    ) -> Callable[[Callable[Concatenate[Context, P], R]], Phase[R]]: ...

    def phase(
        self, handler: Handler | None = None, *, name: str | None = None, retired: bool = False
    ) -> Any:
        """Register the next phase.

        Args:
            handler: ``async`` or a plain function (which runs in a thread); called with a
                :class:`Context` and the job's arguments.
            name: its name in the record; the function's own by default.
            retired: new jobs have no such phase; it is kept for those that were admitted with it.

        Raises:
            TypeError: the name is taken, or its arguments differ from the first phase's.
        """

        def register(function: Handler) -> Phase[Any]:
            phase: Phase[Any] = Phase(name or function.__name__, function, arguments_of(function))
            if phase.name in {**self.phases, **self.retired}:
                raise TypeError(f"saga {self.name!r} has a phase {phase.name!r} already")
            first = next(iter((*self.phases.values(), *self.retired.values())), phase)
            if list(first.arguments) != list(phase.arguments):
                expected = ", ".join(["ctx", *first.arguments])
                raise TypeError(f"expected phase {phase.name!r} to take ({expected})")
            (self.retired if retired else self.phases)[phase.name] = phase
            return phase

        return register if handler is None else register(handler)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Request[Any]:
        """A job with these arguments, ready to be submitted.

        Raises:
            TypeError: they do not fit the handlers, or cannot be kept as JSON.
        """
        return self._request(args, kwargs)

    def _request(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request[Any]:
        if not self.phases:
            raise TypeError(f"expected saga {self.name!r} to have a phase")
        phases = tuple(self.phases.values())
        given = bind(phases[0], args, kwargs)
        payload = dump(given)
        options = self.options
        spec = Spec(
            kind=self.name,
            definition=options.version,
            phases=tuple(phase.spec() for phase in phases),
            payload=blob(PAYLOAD, payload),
            lane=Lane(queue=options.queue),
            priority=options.priority,
            retry=options.retry,
            on_lost=options.on_lost,
            timing=options.timing,
            unique=options.unique,
        )
        return Request(spec=spec, payload=payload, returns=phases[-1].returns)


class Task(Saga[P], Generic[P, R]):
    """A plain job: a saga of one phase, named ``run``."""

    def __init__(self, name: str, options: Options, handler: Handler) -> None:
        super().__init__(name, options)
        self.run: Phase[R] = Phase("run", handler, arguments_of(handler))
        self.phases["run"] = self.run
        self.undo = self.run.undo

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Request[R]:
        """A job with these arguments, ready to be submitted.

        Raises:
            TypeError: they do not fit the handler, or cannot be kept as JSON.
        """
        return self._request(args, kwargs)


class JobDecorator(Protocol):
    """Makes a :class:`Task` of an ``async`` or a plain function."""

    @overload
    def __call__(self, handler: Async[P, R], /) -> Task[P, R]: ...

    @overload
    def __call__(self, handler: Plain[P, R], /) -> Task[P, R]: ...

    def __call__(self, handler: Any, /) -> Any:
        """Register ``handler``."""
        ...


class Jobs:
    """Everything an application can run, by name."""

    def __init__(self) -> None:
        self._sagas: dict[str, Saga[...]] = {}

    @property
    def kinds(self) -> frozenset[str]:
        """The names of all definitions."""
        return frozenset(self._sagas)

    def __getitem__(self, kind: str) -> Saga[...]:
        """The definition of that name.

        Raises:
            LookupError: there is none.
        """
        if kind not in self._sagas:
            known = ", ".join(sorted(self._sagas)) or "none at all"
            raise LookupError(f"no definition {kind!r} here; there is {known}")
        return self._sagas[kind]

    @overload
    def saga(self, name: str, payload: type[T], **options: Any) -> Saga[[T]]: ...

    @overload
    def saga(self, name: str, **options: Any) -> Saga[...]: ...

    def saga(self, name: str, payload: object = None, **options: Any) -> Any:  # noqa: ARG002 - the type checker's
        """Define a saga; its phases register themselves with :meth:`Saga.phase`.

        Args:
            name: its kind.
            payload: the type of its one argument, so that calls are type-checked.
            **options: see :class:`Options`.

        Raises:
            TypeError: the name is taken, or an option is unknown.
        """
        saga: Saga[...] = Saga(self._free(name), Options(**options))
        self._sagas[name] = saga
        return saga

    def job(self, name: str, **options: Any) -> JobDecorator:
        """Define a plain job from one handler.

        Args:
            name: its kind.
            **options: see :class:`Options`.

        Raises:
            TypeError: the name is taken, or an option is unknown.
        """
        given = Options(**options)

        def register(handler: Handler) -> Task[..., Any]:
            task: Task[..., Any] = Task(self._free(name), given, handler)
            self._sagas[name] = task
            return task

        return cast(JobDecorator, register)

    def _free(self, name: str) -> str:
        if name in self._sagas:
            raise TypeError(f"there is a definition {name!r} already")
        return name
