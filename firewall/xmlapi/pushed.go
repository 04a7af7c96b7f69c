package xmlapi

import (
	"context"
	"strings"
)

// CallPolicy is the kind of the calls about the policy in force that no reading of the configuration answers: what Panorama
// pushed, and whether edits wait.
const CallPolicy = "policy"

// Pushed is what Panorama pushed from one place: objects, and below pre-rulebase and post-rulebase rules.
type Pushed struct {
	Node   *Node
	Shared bool // from Shared, as far as its rules do not say otherwise
}

// PushedPolicy reads the rules and objects that Panorama pushed: as told of a virtual system, which holds what comes from
// its device group, or with vsys "" as told of none, which holds what comes from Shared. None: nothing was pushed.
func PushedPolicy(ctx context.Context, d *Device, what, vsys string) ([]Pushed, error) {
	of := ""
	if vsys != "" {
		of = "<vsys>" + Escape(vsys) + "</vsys>"
	}
	result, err := d.OpIn(ctx, CallPolicy, what, "<show><config><pushed-shared-policy>"+of+"</pushed-shared-policy></config></show>", vsys)
	if Kind(err) == KindAPI && strings.Contains(strings.ToLower(err.Error()), "no shared policy pushed") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ParsePushed(result), nil
}

// ParsePushed finds what was pushed in an answer. Measured are result/policy/panorama for a device group, beside it or
// at result/shared what is shared, and a plain sentence where nothing was pushed.
func ParsePushed(result *Node) []Pushed {
	var parts []Pushed
	for _, p := range []Pushed{
		{result.At("policy", "panorama"), false}, {result.Child("panorama"), false},
		{result.At("policy", "shared"), true}, {result.Child("shared"), true},
	} {
		if p.Node != nil {
			parts = append(parts, p)
		}
	}
	return parts
}

// PushedTemplate gives the configuration that a template of Panorama pushed, which may hold the network, zones, server
// profiles and certificates; nil: none. No source shows what a firewall without one answers, so every refusal that is not
// about rights is taken for that.
func PushedTemplate(ctx context.Context, d *Device) (*Node, error) {
	result, err := d.OpIn(ctx, CallPolicy, "read the template pushed by Panorama",
		"<show><config><pushed-template></pushed-template></config></show>", "")
	if Kind(err) == KindAPI {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseTemplate(result), nil
}

// ParseTemplate finds the element config in an answer, below which everything stands as in the firewall's own configuration;
// nil: it holds none. How deep it lies differs between versions.
func ParseTemplate(result *Node) *Node { return templateRoot(result, 0) }

func templateRoot(n *Node, depth int) *Node {
	if n == nil || depth > 4 {
		return nil
	}
	if n.Name == "config" {
		return n
	}
	for _, c := range n.Children {
		if found := templateRoot(c, depth+1); found != nil {
			return found
		}
	}
	return nil
}
