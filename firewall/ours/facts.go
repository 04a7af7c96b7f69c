package ours

import (
	"context"

	"activedefense/firewall/xmlapi"
)

// Facts are what a firewall answered about itself. They are a snapshot and are not changed afterwards.
type Facts struct {
	Firewall string // xmlapi.Options.Name
	// InternetZones are the zones that face the internet, as the configuration says. Empty: those of the interfaces that the
	// default routes leave by.
	InternetZones []string

	network, system  *xmlapi.Node // the running configuration; nil: there is none
	vsys, shared     *xmlapi.Node
	template         *xmlapi.Node // the config that a template of Panorama pushed; nil: none
	templateVSysName string
	pushed           []xmlapi.Pushed       // rules and objects that Panorama pushed
	interfaces       []xmlapi.Interface    // as they are now
	learned          []xmlapi.DefaultRoute // that routers use now; asked for where a routing protocol runs
	management       []string              // addresses in the answer to "show system info"
}

// Configuration are parts of a configuration that were read already; nil: it has no such part.
type Configuration struct {
	Network, System, VSys, Shared *xmlapi.Node // network, deviceconfig, the entry of the virtual system, shared
	Template                      *xmlapi.Node // the config that a template of Panorama pushed
	Pushed                        []xmlapi.Pushed
}

// AskNetwork completes a configuration that was read already by the interfaces as they are now, and where routers learn their default
// route by that: at most four calls, all of them reads. The facts tell Internet and Services; they know no management address.
func AskNetwork(ctx context.Context, d *xmlapi.Device, internetZones []string, c Configuration) (*Facts, error) {
	f := New(d.Name(), d.VSys(), internetZones, c)
	return f, f.askNetwork(ctx, d)
}

// New gives the facts of a configuration alone.
func New(firewall, vsys string, internetZones []string, c Configuration) *Facts {
	return &Facts{Firewall: firewall, InternetZones: internetZones, templateVSysName: vsys,
		network: c.Network, system: c.System, vsys: c.VSys, shared: c.Shared, template: c.Template, pushed: c.Pushed}
}

// askNetwork asks for the interfaces, and for the default routes where they may have been learned.
func (f *Facts) askNetwork(ctx context.Context, d *xmlapi.Device) (err error) {
	if f.interfaces, err = xmlapi.Interfaces(ctx, d); err == nil && f.needsRoutes() {
		f.learned, err = xmlapi.DefaultRoutes(ctx, d)
	}
	return err
}

// Ask asks a firewall for its facts: eight to eleven calls, all of them reads. The first that fails ends it: half of an answer would
// name less than there is.
func Ask(ctx context.Context, d *xmlapi.Device, internetZones []string) (*Facts, error) {
	f := &Facts{Firewall: d.Name(), InternetZones: internetZones, templateVSysName: d.VSys()}
	if err := d.Identify(ctx); err != nil {
		return nil, err
	}
	if err := f.askConfiguration(ctx, d); err != nil {
		return nil, err
	}
	const what = "read the policy pushed by Panorama"
	for _, vsys := range []string{d.VSys(), ""} { // as policy reads it: without a virtual system, only what is shared counts
		parts, err := xmlapi.PushedPolicy(ctx, d, what, vsys)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			if part.Shared || vsys != "" {
				f.pushed = append(f.pushed, part)
			}
		}
	}
	var err error
	if f.template, err = xmlapi.PushedTemplate(ctx, d); err != nil {
		return nil, err
	}
	if err = f.askNetwork(ctx, d); err != nil {
		return nil, err
	}
	info, err := d.OpIn(ctx, xmlapi.CallSystemInfo, "show system info", "<show><system><info></info></system></show>", "")
	if err != nil {
		return nil, err
	}
	for _, field := range []string{"ip-address", "public-ip-address", "ipv6-address"} {
		f.management = append(f.management, info.Value("system", field))
	}
	return f, nil
}

// askConfiguration reads the running configuration: as configuration, which takes the right to it, else as an operational
// command, for which the least role suffices.
func (f *Facts) askConfiguration(ctx context.Context, d *xmlapi.Device) error {
	for _, part := range []struct {
		what, xpath string
		into        **xmlapi.Node
	}{
		{"read the network configuration", xmlapi.NetworkPath, &f.network},
		{"read the device configuration", xmlapi.SystemPath, &f.system},
		{"read the virtual system", xmlapi.VSysPath(d.VSys()), &f.vsys},
		{"read the shared configuration", xmlapi.SharedPath, &f.shared},
	} {
		n, err := d.Show(ctx, part.what, part.xpath)
		if xmlapi.Kind(err) == xmlapi.KindRole {
			config, err := xmlapi.Running(ctx, d, "read the running configuration")
			if err != nil {
				return err
			}
			f.take(config, d.VSys())
			break
		}
		if err != nil {
			return err
		}
		*part.into = n
	}
	if f.vsys == nil {
		return d.Fail("read the virtual system", &xmlapi.Error{Kind: xmlapi.KindUnsupported, Text: "virtual system " + d.VSys() + " does not exist"})
	}
	return nil
}

// take takes the parts of a whole configuration.
func (f *Facts) take(config *xmlapi.Node, vsys string) {
	device := config.Child("devices").FirstEntry()
	f.network, f.system, f.shared = device.Child("network"), device.Child("deviceconfig"), config.Child("shared")
	f.vsys = device.Child("vsys").Entry(vsys)
}

// layers are the places in which a part of the configuration can stand, the one that wins first.

func (f *Facts) networks() []*xmlapi.Node {
	return present(f.network, f.template.Child("devices").FirstEntry().Child("network"))
}

func (f *Facts) systems() []*xmlapi.Node {
	return present(f.system, f.template.Child("devices").FirstEntry().Child("deviceconfig"))
}

func (f *Facts) virtualSystems() []*xmlapi.Node {
	return present(f.vsys, f.template.Child("devices").FirstEntry().Child("vsys").Entry(f.templateVSysName))
}

// objects are those in which objects and server profiles stand.
func (f *Facts) objects() []*xmlapi.Node {
	all := append(f.virtualSystems(), f.shared)
	for _, part := range f.pushed {
		all = append(all, part.Node)
	}
	return present(append(all, f.template.Child("shared"))...)
}

func present(nodes ...*xmlapi.Node) (out []*xmlapi.Node) {
	for _, n := range nodes {
		if n != nil {
			out = append(out, n)
		}
	}
	return out
}

// entriesOf gives the entries of a list in all layers, without those that another of the same name hides.
func entriesOf(layers []*xmlapi.Node, path ...string) (out []*xmlapi.Node) {
	seen := map[string]bool{}
	for _, layer := range layers {
		for _, e := range layer.At(path...).Entries() {
			if name := e.Attr("name"); !seen[name] {
				seen[name] = true
				out = append(out, e)
			}
		}
	}
	return out
}
