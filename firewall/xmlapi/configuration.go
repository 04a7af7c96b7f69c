package xmlapi

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// SharedPath is the xpath of what virtual systems share.
const SharedPath = "/config/shared"

// DevicePath is where a firewall keeps the configuration of its virtual systems, of its network and of itself.
const DevicePath = "/config/devices/entry[@name='localhost.localdomain']"

// NetworkPath and SystemPath are the xpaths of the network, and of what the firewall itself is like.
const (
	NetworkPath = DevicePath + "/network"
	SystemPath  = DevicePath + "/deviceconfig"
)

// VSysPath is the xpath of a virtual system.
func VSysPath(vsys string) string { return DevicePath + "/vsys" + EntryNamed(vsys) }

// EntryNamed is the end of an xpath that chooses an entry of a list by name. PAN-OS has no way to escape a quote in a name
// that holds both kinds.
func EntryNamed(name string) string {
	if strings.Contains(name, "'") {
		return `/entry[@name="` + name + `"]`
	}
	return `/entry[@name='` + name + `']`
}

// MemberNamed is the end of an xpath that chooses a member of a list.
func MemberNamed(name string) string {
	if strings.Contains(name, "'") {
		return `/member[text()="` + name + `"]`
	}
	return `/member[text()='` + name + `']`
}

// Op makes an operational call and gives the element below response: result, or msg.
func (d *Device) Op(ctx context.Context, kind, what, cmd string) (*Node, error) {
	return d.OpIn(ctx, kind, what, cmd, d.opts.VSys)
}

// OpIn is Op in another virtual system; "": the call names none.
func (d *Device) OpIn(ctx context.Context, kind, what, cmd, vsys string) (*Node, error) {
	return tree(ctx, d, kind, what, func() ([]byte, error) { return d.api.Op(cmd, vsys, nil, nil) })
}

// tree makes a call and gives what stands below response; response itself if it holds no result. A configuration is megabytes
// long: its text is not held in memory beside the tree.
func tree(ctx context.Context, d *Device, kind, what string, do func() ([]byte, error)) (*Node, error) {
	s := &streamed{}
	if _, err := d.call(context.WithValue(ctx, streamKey{}, s), kind, what, do); err != nil {
		return nil, err
	}
	if result := s.root.Child("result"); result != nil {
		return result, nil
	}
	return s.root, nil
}

// communicate makes a call about the configuration.
func (d *Device) communicate(ctx context.Context, what string, form url.Values) ([]byte, error) {
	return d.call(ctx, CallConfig, what, communication(d, form))
}

func communication(d *Device, form url.Values) func() ([]byte, error) {
	return func() ([]byte, error) {
		body, _, err := d.api.Communicate(form, nil)
		return body, err
	}
}

// Show reads what is at an xpath of the running configuration; nil: there is nothing.
func (d *Device) Show(ctx context.Context, what, xpath string) (*Node, error) {
	return d.config(ctx, what, url.Values{"action": {"show"}, "xpath": {xpath}})
}

// Get reads what is at an xpath of the candidate configuration, edits of all administrators included; nil: there is
// nothing.
func (d *Device) Get(ctx context.Context, what, xpath string) (*Node, error) {
	return d.config(ctx, what, url.Values{"action": {"get"}, "xpath": {xpath}})
}

// GetAll is Get of an xpath that means several elements of the candidate configuration.
func GetAll(ctx context.Context, d *Device, what, xpath string) ([]*Node, error) {
	return configs(ctx, d, what, url.Values{"action": {"get"}, "xpath": {xpath}})
}

// ShowAll is Show of an xpath that means several elements of the running configuration.
func ShowAll(ctx context.Context, d *Device, what, xpath string) ([]*Node, error) {
	return configs(ctx, d, what, url.Values{"action": {"show"}, "xpath": {xpath}})
}

// config reads one element.
func (d *Device) config(ctx context.Context, what string, form url.Values) (*Node, error) {
	found, err := configs(ctx, d, what, form)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if len(found) > 1 {
		return nil, d.Fail(what, &Error{Kind: KindMalformed, Text: fmt.Sprintf("expected one element, got %d", len(found))})
	}
	return found[0], nil
}

// configs reads elements. "Not there" is said in two ways: get answers success with code 7, show an error "No such node".
func configs(ctx context.Context, d *Device, what string, form url.Values) ([]*Node, error) {
	form.Set("type", "config")
	result, err := tree(ctx, d, CallConfig, what, communication(d, form))
	var e *Error
	if errors.As(err, &e) && e.Kind == KindAPI && (e.Code == 7 || NoSuchNode(e)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if result.Name != "result" {
		return nil, nil
	}
	return result.Children, nil
}

// NoSuchNode tells whether an error says that nothing stands at an xpath.
func NoSuchNode(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == KindAPI && strings.Contains(strings.ToLower(e.Text), "no such node")
}

// Escape makes text fit for an element or a quoted attribute.
func Escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder does not fail
	return b.String()
}

// RunningConfig reads the running configuration by an operational command, as Running does: that of the virtual system, and
// what is shared.
func RunningConfig(ctx context.Context, d *Device, what string) (own, shared *Node, err error) {
	config, err := Running(ctx, d, what)
	if err != nil {
		return nil, nil, err
	}
	return config.Child("devices").FirstEntry().Child("vsys").Entry(d.opts.VSys), config.Child("shared"), nil
}

// Running reads the running configuration by an operational command, which takes no right to the configuration. It is the
// whole of it, megabytes on some firewalls: whether the command takes an xpath, sources disagree.
func Running(ctx context.Context, d *Device, what string) (config *Node, err error) {
	result, err := d.OpIn(ctx, CallConfig, what, "<show><config><running></running></config></show>", "")
	if err != nil {
		return nil, err
	}
	if config = result.Child("config"); config == nil {
		return nil, d.Fail(what, &Error{Kind: KindMalformed, Text: "the response contains no configuration"})
	}
	return config, nil
}
