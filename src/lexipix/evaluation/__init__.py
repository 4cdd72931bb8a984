"""Evaluation of the trained models on the test split, and of the captions that the captioner writes.

Where each part of ``metrics.json`` is computed:

=========================================== =====================================================
``captioner.*``                             :mod:`.caption_metrics`
``direct.psnr``, ``direct.ssim``            :mod:`.path_metrics`, images from :mod:`.direct_path`
``direct.bits_per_image``, ``tokens.*``     :mod:`.direct_path`
``text.*`` by generated captions            :mod:`.path_metrics`, images from :mod:`.text_paths`
``text.*.{train,test}_r_precision``         :mod:`.prompt_retrieval`
``text.*.{class_agreement,cas}``            :mod:`.class_agreement`
``baseline.*``                              :mod:`.baselines`
``ceiling.*``                               :mod:`.path_metrics`
``memorization.*``                          :mod:`.memorization`
``rate.*``                                  :mod:`.rate`
``speed.*``, ``captioner_speed.*``          :mod:`lexipix.compression`
all of it, put together                     :mod:`.metrics_json`
=========================================== =====================================================
"""
