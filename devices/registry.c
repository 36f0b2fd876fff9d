// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * registry.c - the built-in models, in the order in which they are listed
 */
#include <string.h>

#include "models.h"

static const struct uiommu_model *const models[] = {
	&ats_testdev_model,
	&dsa_model,
};

const struct uiommu_model *uiommu_model_at(unsigned int index)
{
	return index < sizeof(models) / sizeof(models[0]) ? models[index] : NULL;
}

const struct uiommu_model *uiommu_model_find(const char *name)
{
	const struct uiommu_model *model;
	unsigned int i;

	for (i = 0; (model = uiommu_model_at(i)); i++) {
		if (!strcmp(model->name, name))
			return model;
	}
	return NULL;
}
