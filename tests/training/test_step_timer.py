from lexipix.training.state import StepTimer


def test_the_first_step_and_what_is_between_steps_do_not_count(monkeypatch):
    clock = iter([10.0, 11.0, 11.0, 14.0, 15.0])  # three steps of a second, and three seconds of validation
    monkeypatch.setattr("lexipix.training.state.time.perf_counter", lambda: next(clock))
    timer = StepTimer()
    assert timer.mean() == 0.0
    timer.count()
    timer.count()
    with timer.paused("validation"):
        pass
    timer.count()
    assert timer.mean() == 1.0
    assert timer.paused_seconds == {"validation": 3.0}
