package main

import (
	"fmt"
	"net/netip"
	"strings"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/config"
	"activedefense/detect"
)

// labelsOf reads the label files, and gives what looks up the labels of an address or a network: "known scanner, partner",
// "" where it has none. What is wrong with the files is said on standard error. Without label files it is nil.
func (a *app) labelsOf(cfg *config.Config) func(netip.Prefix) string {
	if len(cfg.Labels) == 0 {
		return nil
	}
	set := agent.Labels(cfg)
	for _, t := range set.Troubles() {
		fmt.Fprintln(a.stderr, display.Harmless(t.What))
	}
	lists := set.Lists()
	return func(p netip.Prefix) string { return strings.Join(lists.Lookup(p), ", ") }
}

// writeLabels says for people which labels an address or a network has, if any.
func (a *app) writeLabels(cfg *config.Config, p netip.Prefix) {
	labelled := a.labelsOf(cfg)
	if labelled == nil {
		return
	}
	if text := labelled(p); text != "" {
		fmt.Fprintf(a.stdout, "%s is labelled: %s\n", detect.AddressText(p), display.Harmless(text))
	}
}
