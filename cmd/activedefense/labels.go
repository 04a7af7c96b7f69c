package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// labelsOf reads the label files, and gives what looks up the labels of an address or a network: "known scanner, partner",
// "" where it has none. What is wrong with the files is said on standard error. Without label files it is nil.
func (a *app) labelsOf(ctx context.Context, cfg *config.Config, st *store.Store) (func(netip.Prefix) string, error) {
	if len(cfg.Labels) == 0 {
		return nil, nil
	}
	set, err := agent.Labels(ctx, cfg, st)
	if err != nil {
		return nil, err
	}
	for _, t := range set.Troubles() {
		fmt.Fprintln(a.stderr, display.Harmless(t.What))
	}
	lists := set.Lists()
	return func(p netip.Prefix) string { return strings.Join(lists.Lookup(p), ", ") }, nil
}

// writeLabels says for people which labels an address or a network has, if any.
func (a *app) writeLabels(ctx context.Context, cfg *config.Config, st *store.Store, p netip.Prefix) error {
	labelled, err := a.labelsOf(ctx, cfg, st)
	if labelled == nil {
		return err
	}
	if text := labelled(p); text != "" {
		fmt.Fprintf(a.stdout, "%s is labelled: %s\n", detect.AddressText(p), display.Harmless(text))
	}
	return nil
}
