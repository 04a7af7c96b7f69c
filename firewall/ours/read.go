package ours

import (
	"activedefense/firewall/xmlapi"
)

// reader reads the facts into an answer.
type reader struct {
	collector
	f          *Facts
	objects    []*xmlapi.Node
	networks   []*xmlapi.Node
	systems    []*xmlapi.Node
	vsys       []*xmlapi.Node
	interfaces []*networkInterface
	byName     map[string]*networkInterface
	internet   internet
}

func (f *Facts) reader() *reader {
	r := &reader{f: f, collector: collector{seen: map[Entry]bool{}},
		objects: f.objects(), networks: f.networks(), systems: f.systems(), vsys: f.virtualSystems(), byName: map[string]*networkInterface{}}
	r.findInterfaces()
	r.findInternet()
	return r
}

// Read tells what the facts name. It reads each element a fixed number of times.
func (f *Facts) Read() Answer {
	r := f.reader()
	r.takeInterfaces()
	r.takeRoutes()
	r.takeNAT()
	r.takeGlobalProtect()
	r.takeTunnels()
	r.takeRouting()
	r.takeSystem()
	r.takeServers()
	r.takeLists()
	return r.sorted()
}
