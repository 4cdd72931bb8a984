from lexipix.repro.digests import dvc_digest
from lexipix.tracking.provenance import Provenance


def test_of_a_large_folder_of_shards_the_manifest_is_digested(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    (images / "images-00000.npy").write_bytes(b"1" * 1000)
    manifest = images / "shards.json"
    manifest.write_text("{}", encoding="utf-8")

    def outputs(above_gb):
        entry = {
            "filepath": str(images),
            "metadata": {"manifest": "shards.json", "manifest_above_gb": above_gb, "measured": True},
        }
        provenance = Provenance(tmp_path, lambda name: entry)
        provenance.add_output("image_splits", "ingest")
        return provenance.as_dict()["outputs"]

    assert outputs(1) == {"image_splits": {"path": "images", "md5": dvc_digest(images)}}
    assert outputs(1e-6) == {"image_splits": {"path": "images/shards.json", "md5": dvc_digest(manifest)}}
