// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/gate.c - who is inside a model, and how to wait until nobody is
 *
 * pdev->gate is one word: how many calls are inside, and a bit that is set
 * while the gate is closed.  Entering is one compare-and-exchange and takes no
 * lock, for it happens in a signal handler of the client.
 *
 * A thread knows what it is inside of by a list on its own stack.  It needs
 * that for four things: a nested call passes a closed gate (who closed it
 * waits for the outer call anyway), a thread that is inside doesn't close the
 * gate (it would wait for itself), and a signal handler that runs on top of the
 * thread that closed it finds a device in reset rather than waiting for ever.  So does a device
 * whose DMA reaches the BAR of another: two that wait for each other's reset
 * would never end.
 */
#include "pci/pci.h"

#define GATE_CLOSED (1ull << 32)

UI_PER_THREAD(struct pci_inside *, innermost);
UI_PER_THREAD(const struct uiommu_pci_device *, closed_here);

static bool thread_is_inside(const struct uiommu_pci_device *pdev)
{
	const struct pci_inside *inside;

	for (inside = *ui_this(innermost); inside; inside = inside->outer) {
		if (inside->pdev == pdev)
			return true;
	}
	return false;
}

bool pci_gate_enter(struct uiommu_pci_device *pdev, struct pci_inside *inside)
{
	bool nested = thread_is_inside(pdev);
	uint64_t gate = ui_load_relaxed(&pdev->gate);
	unsigned int tries = 0;

	for (;;) {
		if ((gate & GATE_CLOSED) && !nested) {
			if (*ui_this(closed_here) == pdev || *ui_this(innermost))
				return false;
			ui_spin_pause(tries++);
			gate = ui_load_relaxed(&pdev->gate);
			continue;
		}
		if (ui_cmpxchg(&pdev->gate, &gate, gate + 1))
			break;
	}
	inside->pdev = pdev;
	inside->outer = *ui_this(innermost);
	*ui_this(innermost) = inside;
	return true;
}

void pci_gate_leave(struct uiommu_pci_device *pdev, struct pci_inside *inside)
{
	*ui_this(innermost) = inside->outer;
	/* What the call did is seen by who closed the gate: pairs with its load. */
	ui_fetch_sub(&pdev->gate, 1);
}

bool pci_gate_close(struct uiommu_pci_device *pdev)
{
	uint64_t gate = ui_load_relaxed(&pdev->gate);
	unsigned int tries = 0;

	if (thread_is_inside(pdev) || *ui_this(closed_here) == pdev)
		return false;
	for (;;) {
		if (gate & GATE_CLOSED) { /* by another thread: after it */
			ui_spin_pause(tries++);
			gate = ui_load_relaxed(&pdev->gate);
			continue;
		}
		if (ui_cmpxchg(&pdev->gate, &gate, gate | GATE_CLOSED))
			break;
	}
	*ui_this(closed_here) = pdev;
	for (tries = 0; ui_load_acquire(&pdev->gate) != GATE_CLOSED;)
		ui_spin_pause(tries++);
	return true;
}

void pci_gate_open(struct uiommu_pci_device *pdev)
{
	*ui_this(closed_here) = NULL;
	ui_fetch_sub(&pdev->gate, GATE_CLOSED);
}
