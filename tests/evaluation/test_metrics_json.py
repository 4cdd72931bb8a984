from lexipix.evaluation.metrics_json import assemble_metrics


def test_metrics_by_class_join_those_of_the_paths():
    metrics_of_paths = {
        "direct": {}, "text": {"gan": {"kid": 0.1}}, "ceiling": {},
        "baseline": {"real": {"r_precision": 0.5}},
    }  # fmt: skip
    classes = {
        "text": {"gan": {"class_agreement": 0.8}, "vae": {"cas": 0.2}},
        "baseline": {"real": {"cas": 0.7}, "shuffled": {"cas": 0.1}},
        "by_class": {"gan": {"cat": 1.0}},
    }
    metrics = assemble_metrics({}, metrics_of_paths, classes, {}, {}, {"captioner": {}}, rate={})
    assert metrics == {
        "text": {"gan": {"kid": 0.1, "class_agreement": 0.8}, "vae": {"cas": 0.2}},
        "baseline": {"real": {"r_precision": 0.5, "cas": 0.7}, "shuffled": {"cas": 0.1}},
    }


def test_what_does_not_apply_is_absent_not_zero():
    metrics_of_paths = {"direct": {"psnr": 30.0}, "text": {}, "baseline": {}, "ceiling": {}}
    metrics = assemble_metrics({"n_train": 5, "rejected": 0}, metrics_of_paths, {}, {}, {}, {"captioner": {}})
    assert metrics == {"data": {"n_train": 5, "rejected": 0}, "direct": {"psnr": 30.0}}
