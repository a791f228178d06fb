------------------------------ MODULE Lifecycle ------------------------------
(***************************************************************************)
(* The lifecycle of one job, a second time: written from the prose in      *)
(* specs/*.md and not from the kernel.  TLC walks every state and prints   *)
(* every edge; parcae_specs.tla compares them with what the kernel does.   *)
(*                                                                         *)
(* Instants are counted from now: 0 is this instant, below 0 is overdue,   *)
(* Never stands for "no such instant".  Tokens are counted from the last   *)
(* one issued: age 1 is that one, age 2 the one before it.  The second     *)
(* worker of the story is whoever still has a token of age 2.              *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets, TLC

CONSTANTS
    Undo,           \* one per phase: "none", "plain", or "unknown" (copes without a result)
    Attempts,       \* how many may be burned
    Backoff,        \* from a failure to the retry
    LeaseTime, AttemptTimeout, Grace,
    Deadline,       \* from admission, or Never
    Stale,          \* how long a due job may wait in line, or Never
    Releases,       \* given back this often for nothing; each further one burns
    OnLost,         \* "retry", "fail" or "quarantine"
    Losses,         \* how many losses are retried; one more is poison
    UndoTries, UndoBackoff, UndoTimeout,
    Late,           \* the reconciler looks at least this often
    Offered         \* the names of the commands in this configuration

VARIABLE job

Never == 99
Phases == 1..Len(Undo)
Ages == 1..2
Ended == {"completed", "failed", "cancelled", "compensated", "quarantined"}
Max(a, b) == IF a > b THEN a ELSE b
Min(a, b) == IF a < b THEN a ELSE b
Past(t) == IF t = Never THEN Never ELSE Max(t, 0)
Due(t) == t <= 0

(* ------------------------------ the value ------------------------------ *)

Admitted == [
    status   |-> "scheduled",
    phase    |-> [i \in Phases |-> "pending"],
    perhaps  |-> [i \in Phases |-> FALSE],   \* once interrupted, not completed since
    burned   |-> 0,
    released |-> 0,
    lost     |-> 0,
    run      |-> 0,             \* claimable from here on
    stale    |-> Stale,         \* nobody came: it ends
    deadline |-> Deadline,
    held     |-> FALSE,
    expiry   |-> Never,
    timeout  |-> Never,
    grace    |-> Never,
    asked    |-> "",            \* for a cancel: "", "asked", or "forced"
    fence    |-> 0,             \* a fenced-off handler may live until here
    overlap  |-> FALSE,         \* an undo may run beside it all the same
    undo     |-> [i \in Phases |-> "none"],
    tries    |-> [i \in Phases |-> 0],
    handed   |-> [i \in Phases |-> 0],       \* given back for nothing while it was next
    cause    |-> "",
    reconciled |-> FALSE,
    claims   |-> 0,                          \* tokens issued; beyond two nobody counts
    said     |-> [a \in Ages |-> <<>>],      \* the accepted results of a token, each with
                                             \* its answer: the status that followed
    evidence |-> [a \in Ages |-> FALSE]]

Is(j, s) == j.status = s
Running(j) == {i \in Phases : j.phase[i] = "running"}
Undoing(j) == {i \in Phases : j.undo[i] = "running"}
Highest(S) == CHOOSE i \in S : \A k \in S : k <= i
ToUndo(j) == {i \in Phases : j.undo[i] \in {"pending", "running"}}

(* "raised" stands for a phase until the same decision says what follows. *)
Raised(j) == [j EXCEPT !.phase = [i \in Phases |->
    IF @[i] = "running" THEN "raised" ELSE @[i]]]

Interrupted(j) == [j EXCEPT
    !.phase = [i \in Phases |-> IF @[i] = "running" THEN "pending" ELSE @[i]],
    !.perhaps = [i \in Phases |-> @[i] \/ j.phase[i] = "running"]]

Idle(j) == [j EXCEPT !.held = FALSE, !.expiry = Never, !.timeout = Never, !.grace = Never]

(* Whoever held it is fenced off at `at`, and may be alive until it expires: until then *)
(* nothing follows.  Both may be past when somebody looks. *)
Alive(j, at) == IF j.held THEN Max(j.expiry, at) ELSE at
Fenced(j, at) == [Idle(Interrupted(j)) EXCEPT !.fence = Max(@, Alive(j, at))]

(* ---------------------------- how a job ends --------------------------- *)

Mark(j, i) ==
    CASE j.phase[i] = "completed" -> "completed"
      [] j.perhaps[i] -> "interrupted"
      [] j.phase[i] = "raised" -> "failed"
      [] OTHER -> IF j.phase[i] = "pending" THEN "skipped" ELSE j.phase[i]

(* No more forward work, and so nothing of what it needs. *)
Over(j) == [Idle(j) EXCEPT
    !.phase = [i \in Phases |-> Mark(j, i)], !.perhaps = [i \in Phases |-> FALSE],
    !.released = 0, !.lost = 0, !.run = 0, !.stale = Never, !.deadline = Never]

Closed(j, status, cause, reconciled) == [Over(j) EXCEPT
    !.status = status, !.cause = cause, !.reconciled = reconciled, !.asked = "",
    !.tries = [i \in Phases |-> 0], !.handed = [i \in Phases |-> 0]]

Happened(j) == {i \in Phases : j.phase[i] = "completed" /\ Undo[i] # "none"}
MayHave(j) == {i \in Phases : j.perhaps[i] /\ j.phase[i] # "completed" /\ Undo[i] # "none"}
Hopeless(j) == {i \in MayHave(j) : Undo[i] = "plain"}

Quarantined(j, cause, reconciled) ==
    LET owed == IF Is(j, "compensating") THEN ToUndo(j) ELSE Happened(j) \cup MayHave(j)
        left == [j EXCEPT !.undo = [i \in Phases |-> IF i \in owed THEN "owed" ELSE @[i]]]
    IN [job |-> Closed(left, "quarantined", cause, reconciled), events |-> <<"Quarantined">>]

Event(status) == CASE status = "failed" -> "Failed" [] status = "cancelled" -> "Cancelled"

(* Nothing to undo: it ends. Something: it compensates first. Unknowable: a person. *)
End(j, status, cause, reconciled) ==
    LET owed == Happened(j) \cup MayHave(j)
    IN IF Hopeless(j) # {} THEN Quarantined(j, "outcome unknown", reconciled)
       ELSE IF owed = {}
       THEN [job |-> Closed(j, status, cause, reconciled), events |-> <<Event(status)>>]
       ELSE [job |-> [Over(j) EXCEPT
                !.status = "compensating", !.cause = cause, !.reconciled = reconciled,
                !.undo = [i \in Phases |-> IF i \in owed THEN "pending" ELSE "none"],
                !.run = j.fence],
             events |-> <<"CompensationBegan">>]

(* Back in line at `at`. *)
InLine(j, at) == [Idle(j) EXCEPT !.status = "scheduled", !.run = Past(at),
    !.phase = [i \in Phases |-> IF @[i] = "raised" THEN "pending" ELSE @[i]],
    !.stale = IF Stale = Never THEN Never ELSE at + Stale]

Retried(j, start, cause, reconciled) ==
    IF j.asked # "" THEN End(j, "cancelled", "cancelled by request", reconciled)
    ELSE IF j.burned >= Attempts THEN End(j, "failed", cause, reconciled)
    ELSE IF start >= j.deadline THEN End(j, "failed", "deadline", reconciled)
    ELSE [job |-> InLine(j, start), events |-> <<"RetryScheduled">>]

Burned(j) == [j EXCEPT !.burned = @ + 1]

(* The next undo has one try less; with none left a person must look. *)
TryBurned(j, i, next, event, reconciled) ==
    LET less == [j EXCEPT !.tries[i] = @ + 1, !.undo[i] = "pending"]
        over == Quarantined(less, "compensation failed", reconciled)
    IN IF less.tries[i] >= UndoTries THEN [over EXCEPT !.job.undo[i] = "failed"]
       ELSE [job |-> [Idle(less) EXCEPT !.run = Past(next)], events |-> <<event>>]

UndoLost(j, at) == TryBurned(Fenced(j, at), Highest(ToUndo(j)),
    Max(at + UndoBackoff, Alive(j, at)), "CompensationLost", TRUE)

(* ------------------------------ reconcile ------------------------------ *)

(* What can fall due, in the order that breaks a tie. *)
Clocks(j) ==
    IF Is(j, "running") THEN <<j.deadline, j.grace, j.timeout, j.expiry, Never>>
    ELSE IF Is(j, "scheduled") THEN <<j.deadline, Never, Never, Never, j.stale>>
    ELSE IF Is(j, "compensating") THEN <<Never, Never, j.timeout, j.expiry, Never>>
    ELSE <<Never, Never, Never, Never, Never>>

First(c) == CHOOSE k \in 1..5 :
    \A m \in 1..5 : c[k] < c[m] \/ (c[k] = c[m] /\ k <= m)

Lost(j, at) ==
    LET k == [Burned(Fenced(j, at)) EXCEPT !.lost = @ + 1]
    IN IF k.asked # "" THEN End(k, "cancelled", "cancelled by request", TRUE)
       ELSE IF OnLost = "quarantine" THEN Quarantined(k, "lease lost", TRUE)
       ELSE IF OnLost = "fail" THEN End(k, "failed", "lease lost", TRUE)
       ELSE IF k.lost > Losses THEN Quarantined(k, "poison", TRUE)
       ELSE Retried(k, at + Backoff, "lease lost", TRUE)

TimedOut(j, at) ==
    Retried(Burned(Fenced(j, at)), Max(at + Backoff, Alive(j, at)), "attempt timeout", TRUE)

FellDue(j, k, at) ==
    CASE k = 1 -> End(Fenced(j, at), "failed", "deadline", TRUE)
      [] k = 2 -> End(Fenced(j, at), "cancelled", "cancelled by request", TRUE)
      [] k = 3 /\ Is(j, "running") -> TimedOut(j, at)
      [] k = 4 /\ Is(j, "running") -> Lost(j, at)
      [] k = 5 -> End(j, "failed", "stale in queue", TRUE)
      [] OTHER -> UndoLost(j, at)

RECURSIVE Reconciled(_, _)
Reconciled(j, events) ==
    LET c == Clocks(j)
        k == First(c)
    IN IF ~Due(c[k]) THEN [job |-> j, events |-> events]
       ELSE LET r == FellDue(j, k, c[k]) IN Reconciled(r.job, events \o r.events)

Overdue(j) == LET c == Clocks(j) IN Due(c[First(c)])

(* ------------------------- what a worker says -------------------------- *)

Answer(r, answer) == [job |-> r.job, events |-> r.events, answer |-> answer]
Did(j, events) == [job |-> j, events |-> events, answer |-> "ok"]
No(j) == [job |-> j, events |-> <<>>, answer |-> "refused"]
LeaseLost(j, events) == [job |-> j, events |-> events, answer |-> "lease lost"]

(* A result is answered with the status that follows, and the answer is remembered. *)
Taken(r, c) == [events |-> r.events, answer |-> r.job.status,
    job |-> [r.job EXCEPT !.said[c.age] = Append(@, <<c.name, c.phase, r.job.status>>)]]

Permissions == {"renew", "start", "undo"}
Current(j, c) == c.age = 1 /\ j.held
Told(j, c) == {k \in 1..Len(j.said[c.age]) :
    j.said[c.age][k][1] = c.name /\ j.said[c.age][k][2] = c.phase}

Claimed(j, event) ==
    LET undoing == Is(j, "compensating")
    IN Did([j EXCEPT !.status = IF undoing THEN @ ELSE "running",
            !.held = TRUE, !.expiry = LeaseTime, !.run = 0, !.stale = Never,
            !.timeout = IF undoing THEN UndoTimeout ELSE AttemptTimeout,
            !.claims = Min(@ + 1, 2),
            !.said = <<<<>>, @[1]>>, !.evidence = <<FALSE, @[1]>>], <<event>>)

Claim(j) ==
    IF Is(j, "scheduled") /\ Due(j.run) /\ ~Overdue(j) THEN Claimed(j, "Started")
    ELSE IF Is(j, "compensating") /\ ~j.held /\ Due(j.run)
    THEN Claimed(j, "CompensationClaimed")
    ELSE No(j)

(* The same claim again, its answer having been lost.  While its lease is there: that lease *)
(* or nothing.  A claim whose lease is gone is a new claim. *)
Reclaim(j) ==
    IF ~j.held THEN Claim(j)
    ELSE IF ~Due(j.expiry) /\ (Is(j, "compensating") \/ j.asked = "") THEN Did(j, <<>>)
    ELSE No(j)

Renew(j) == IF Overdue(j) THEN No(j) ELSE Did([j EXCEPT !.expiry = LeaseTime], <<>>)

MayStart(j) == ~Due(j.expiry) /\ ~Due(j.timeout)
MayGoOn(j) == Is(j, "running") /\ ~Overdue(j) /\ j.asked = ""

Start(j, c) ==
    IF ~MayGoOn(j) THEN No(j)
    ELSE IF Running(j) = {c.phase} THEN Did(j, <<>>)
    ELSE IF Running(j) = {} /\ j.phase[c.phase] = "pending"
        /\ \A i \in 1..(c.phase - 1) : j.phase[i] = "completed"
    THEN Did([j EXCEPT !.phase[c.phase] = "running"], <<"PhaseStarted">>)
    ELSE No(j)

After(events, r) == [job |-> r.job, events |-> events \o r.events]
GivenBack(j) == [job |-> InLine(j, 0), events |-> <<"Released">>]

Complete(j, c) ==
    LET k == [j EXCEPT !.phase[c.phase] = "completed", !.perhaps[c.phase] = FALSE]
        done == <<"PhaseCompleted">>
    IN IF c.phase \notin Running(j) THEN No(j)
       ELSE Taken(
            IF c.phase = Len(Undo)
            THEN [job |-> Closed(k, "completed", "", FALSE), events |-> done \o <<"Completed">>]
            ELSE IF ~Due(j.expiry) THEN [job |-> k, events |-> done]
            ELSE IF j.asked = "" THEN After(done, GivenBack(k))
            ELSE After(done, End(k, "cancelled", "cancelled by request", FALSE)), c)

(* A failure between two phases is lawful, too; no phase is marked by it. *)
Fail(j, c, hopeless) ==
    LET k == Idle(Burned(Raised(j)))
        spent == IF k.burned >= Attempts /\ Attempts > 1 THEN "attempts exhausted"
                 ELSE "handler error"
    IN IF ~Is(j, "running") THEN No(j)
       ELSE Taken(IF hopeless /\ j.asked = "" THEN End(k, "failed", "handler error", FALSE)
                  ELSE Retried(k, Backoff, spent, FALSE), c)

Release(j, c) ==
    LET k == Idle(Interrupted(j))
        b == Burned(k)
    IN Taken(
        IF j.asked # "" THEN End(k, "cancelled", "cancelled by request", FALSE)
        ELSE IF j.released < Releases THEN GivenBack([k EXCEPT !.released = @ + 1])
        ELSE IF b.burned < Attempts THEN GivenBack(b)
        ELSE End(b, "failed", "attempts exhausted", FALSE), c)

Confirm(j, c) ==
    IF Is(j, "running") /\ j.asked # ""
    THEN Taken(End(Interrupted(j), "cancelled", "cancelled by request", FALSE), c)
    ELSE No(j)

UndoStart(j, c) ==
    IF ~(Is(j, "compensating") /\ MayStart(j) /\ c.phase = Highest(ToUndo(j))) THEN No(j)
    ELSE IF j.undo[c.phase] = "running" THEN Did(j, <<>>)
    ELSE Did([j EXCEPT !.undo[c.phase] = "running", !.timeout = UndoTimeout], <<"UndoStarted">>)

Undone(j, c) ==
    LET k == [j EXCEPT !.undo[c.phase] = "done", !.tries[c.phase] = 0, !.handed[c.phase] = 0]
        done == <<"UndoCompleted">>
    IN IF c.phase \notin Undoing(j) THEN No(j)
       ELSE Taken(
            IF ToUndo(k) = {} THEN [job |-> Closed(k, "compensated", j.cause, j.reconciled),
                                    events |-> done \o <<"Compensated">>]
            ELSE IF ~Due(j.expiry) THEN [job |-> k, events |-> done]
            ELSE [job |-> Idle(k), events |-> done \o <<"CompensationReleased">>], c)

UndoFail(j, c) ==
    IF c.phase \notin Undoing(j) THEN No(j)
    ELSE Taken(TryBurned(j, c.phase, UndoBackoff, "UndoRetryScheduled", FALSE), c)

ReleaseUndo(j, c) ==
    LET i == Highest(ToUndo(j))
        back == "CompensationReleased"
    IN Taken(
        IF j.handed[i] < Releases
        THEN [job |-> [Idle(j) EXCEPT !.undo[i] = "pending", !.handed[i] = @ + 1],
              events |-> <<back>>]
        ELSE TryBurned(j, i, 0, back, FALSE), c)

Obeyed(j, c) ==
    CASE c.name = "renew" -> Renew(j)
      [] c.name = "start" -> Start(j, c)
      [] c.name = "complete" -> Complete(j, c)
      [] c.name = "fail" -> Fail(j, c, FALSE)
      [] c.name = "give up" -> Fail(j, [c EXCEPT !.name = "fail"], TRUE)
      [] c.name = "release" -> IF Is(j, "running") THEN Release(j, c) ELSE ReleaseUndo(j, c)
      [] c.name = "confirm" -> Confirm(j, c)
      [] c.name = "undo" -> UndoStart(j, c)
      [] c.name = "undone" -> Undone(j, c)
      [] c.name = "undo failed" -> UndoFail(j, c)

(* Current or not, a result that was taken is answered as it was the first time. *)
Heard(j, c) ==
    LET told == Told(j, IF c.name = "give up" THEN [c EXCEPT !.name = "fail"] ELSE c)
    IN IF told # {} THEN [Did(j, <<>>) EXCEPT !.answer = j.said[c.age][Highest(told)][3]]
       ELSE IF Current(j, c) THEN Obeyed(j, c)
       ELSE IF c.name \in Permissions \/ j.evidence[c.age] THEN LeaseLost(j, <<>>)
       ELSE LeaseLost([j EXCEPT !.evidence[c.age] = TRUE], <<"LateResultRecorded">>)

(* ------------------------ what an operator says ------------------------ *)

Truth(before, j) ==
    IF before \in Ended THEN "already ended"
    ELSE CASE Is(j, "running") -> "cancelling"
           [] Is(j, "compensating") -> "compensating"
           [] Is(j, "cancelled") -> "cancelled"
           [] OTHER -> "already ended"

Asked(j, how) == [job |-> [j EXCEPT !.asked = how], events |-> <<"CancelRequested">>]

Cancel(j) ==
    CASE Is(j, "scheduled") -> End([j EXCEPT !.asked = "asked"],
                                   "cancelled", "cancelled by request", FALSE)
      [] Is(j, "running") /\ j.asked = "" -> Asked([j EXCEPT !.grace = Grace], "asked")
      [] Is(j, "compensating") /\ j.asked = "" -> Asked(j, "asked")
      [] OTHER -> [job |-> j, events |-> <<>>]

(* Forced: nobody waits for a handler that may be alive, nor for a backoff. *)
Unwaited(j) == [j EXCEPT !.run = 0, !.overlap = @ \/ j.fence > 0]

Force(j) ==
    LET k == [Fenced(j, 0) EXCEPT !.asked = "forced"]
        cause == IF Is(j, "running") \/ k.fence > 0 THEN "forced cancel"
                 ELSE "cancelled by request"
        r == End(k, "cancelled", cause, FALSE)
        waits == ~j.held /\ j.run > 0
    IN IF j.status \in {"scheduled", "running"}
       THEN IF Is(r.job, "compensating") THEN [r EXCEPT !.job = Unwaited(@)] ELSE r
       ELSE IF Is(j, "compensating") /\ (waits \/ j.asked # "forced")
       THEN Asked(IF waits THEN Unwaited(j) ELSE j, "forced")
       ELSE [job |-> j, events |-> <<>>]

(* What fell due before a cancel wins over it, whether or not anybody had looked. *)
Stopped(j, force) ==
    LET first == Reconciled(j, <<>>)
        r == After(first.events, IF force THEN Force(first.job) ELSE Cancel(first.job))
    IN Answer(r, Truth(j.status, r.job))

(* ------------------------------- time ---------------------------------- *)

Down(t) == IF t = Never THEN Never ELSE t - 1

Ticked(j) == [j EXCEPT !.run = Past(Down(@)), !.stale = Down(@), !.deadline = Down(@),
    !.expiry = Down(@), !.timeout = Down(@), !.grace = Down(@), !.fence = Past(Down(@))]

Tick(j) == LET c == Clocks(j) IN
    IF c[First(c)] > -Late
    THEN Did(Ticked(j), <<>>) ELSE No(j)

(* ------------------------------ the graph ------------------------------ *)

Command(name, age, phase) == [name |-> name, age |-> age, phase |-> phase]

Bare == {Command(n, 0, 0) : n \in Offered \cap {"claim", "cancel", "force", "reconcile", "tick"}}
Tokens(j) == 1..j.claims
Held(j) == {Command(n, a, 0) :
    n \in Offered \cap {"renew", "fail", "give up", "release", "confirm"}, a \in Tokens(j)}
Phased(j) == {Command(n, a, p) :
    n \in Offered \cap {"start", "complete", "undo", "undone", "undo failed"},
    a \in Tokens(j), p \in Phases}
Again(j) == {Command(n, 1, 0) : n \in IF j.claims = 0 THEN {} ELSE Offered \cap {"reclaim"}}
Commands(j) == Bare \cup Held(j) \cup Phased(j) \cup Again(j)

Answered(j, c) ==
    CASE c.name = "claim" -> Claim(j)
      [] c.name = "reclaim" -> Reclaim(j)
      [] c.name = "cancel" -> Stopped(j, FALSE)
      [] c.name = "force" -> Stopped(j, TRUE)
      [] c.name = "reconcile" -> Answer(Reconciled(j, <<>>), "ok")
      [] c.name = "tick" -> Tick(j)
      [] OTHER -> Heard(j, c)

(* ------------------------------ the print ------------------------------ *)

Flat(j) == <<j.status, j.phase, j.perhaps, j.burned, j.released, j.lost, j.run, j.stale,
    j.deadline, j.held, j.expiry, j.timeout, j.grace, j.asked, j.fence, j.overlap, j.undo,
    j.tries, j.handed, j.cause, j.reconciled, j.claims, j.said, j.evidence>>

(* What a command that changes nothing is told goes without saying: most are refused. *)
Plain(j, c) == IF c.age = 0 \/ c.name = "reclaim" \/ Current(j, c)
               THEN "refused" ELSE "lease lost"
Silent(j, c, r) == r.job = j /\ r.events = <<>> /\ r.answer = Plain(j, c)
Target(j, r) == IF r.job = j THEN "=" ELSE ToString(Flat(r.job))
Line(j, c, r) == ">" \o ToString(<<c.name, c.age, c.phase, r.answer, r.events>>)
                     \o "|" \o Target(j, r)

Init == job = Admitted

(* A line for each state, then one for each of its edges: run it with a single worker. *)
Next ==
    /\ PrintT("@" \o ToString(Flat(job)))
    /\ \E c \in Commands(job) :
        LET r == Answered(job, c)
        IN /\ job' = r.job
           /\ Silent(job, c, r) \/ PrintT(Line(job, c, r))

==============================================================================
