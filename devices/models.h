/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * models.h - the models that come with the library
 */
#ifndef UI_DEVICES_MODELS_H
#define UI_DEVICES_MODELS_H

#include <uiommu/device.h>

extern const struct uiommu_model ats_testdev_model;
extern const struct uiommu_model dsa_model;

#endif /* UI_DEVICES_MODELS_H */
