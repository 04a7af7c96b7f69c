package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed is the direction of imports: which packages of ours each folder may import, tests apart.
// What is not listed imports nothing of ours.
var allowed = map[string][]string{
	"cmd/activedefense": {"agent", "agent/api", "agent/compare", "agent/exchange", "agent/durable", "agent/display", "agent/enforce", "agent/explain", "agent/geo", "agent/heap", "agent/line", "agent/members", "agent/notify", "agent/output", "agent/own", "agent/report", "agent/screen", "agent/state", "agent/systemd", "agent/watch", "config", "detect", "detect/panos", "firewall/policy", "store", "agent/django", "store/transfer", "agent/listen", "detect/pattern"},
	"agent":             {"agent/allow", "agent/api", "agent/clock", "agent/display", "agent/durable", "agent/edl", "agent/enforce", "agent/geo", "agent/health", "agent/labels", "agent/line", "agent/listing", "agent/loop", "agent/members", "agent/notify", "agent/own", "agent/release", "agent/silence", "agent/state", "agent/teardown", "agent/tell", "agent/trouble", "agent/uptime", "config", "detect", "detect/panos", "detect/pattern", "firewall", "firewall/policy", "firewall/room", "store", "agent/pace", "agent/web", "agent/listen"},
	"agent/allow":       {"agent/loop", "agent/own", "detect", "store"},
	"agent/api":         {"agent/ahead", "agent/allow", "agent/display", "agent/enforce", "agent/exchange", "agent/explain", "agent/labels", "agent/line", "agent/loop", "agent/members", "agent/notify", "agent/own", "agent/report", "agent/state", "config", "detect", "detect/panos", "detect/pattern", "firewall/policy", "store", "agent/pace"},
	"agent/compare":     {"agent/line", "detect", "store"},
	"agent/output":      {"agent/api", "agent/compare", "agent/display", "agent/enforce", "agent/line", "detect", "firewall/decision", "firewall/policy"},
	"agent/systemd":     {"agent", "agent/display"},
	"agent/state":       {"agent/clock", "agent/durable", "agent/loop", "store"},
	"agent/edl":         {"agent/durable", "firewall/room"},
	"agent/geo":         {"agent/loop"},
	"agent/health":      {"agent/durable", "agent/state", "agent/trouble", "store"},
	"agent/explain":     {"agent/display", "detect", "store"},
	"agent/exchange":    {"agent/explain", "detect", "store"},
	"agent/line":        {"agent/clock", "agent/silence", "agent/tail", "agent/pack", "detect", "detect/memory", "store"},
	"agent/labels":      {"agent/durable"},
	"agent/listen":      {"agent/durable"},
	"agent/listing":     {"agent/labels", "store"},
	"agent/members":     {"agent/loop", "agent/own", "store"},
	"agent/notify":      {"agent/display", "agent/loop", "config", "store"},
	"agent/tell":        {"agent/notify", "agent/trouble", "store"},
	"agent/pace":        {"agent/durable"},
	"agent/pack":        {"detect/memory", "store"},
	"agent/own":         {"agent/labels", "config", "detect", "store"},
	"agent/enforce":     {"agent/loop", "config", "firewall", "firewall/capacity", "firewall/ours", "firewall/policy", "firewall/room", "firewall/xmlapi", "store"},
	"agent/report":      {"agent/display", "store"},
	"agent/release":     {"agent/trouble", "firewall", "store"},
	"agent/screen":      {"agent", "agent/display", "agent/enforce", "agent/line", "agent/members", "agent/notify", "firewall/policy"},
	"agent/trouble":     {"agent/display", "agent/edl", "agent/enforce", "agent/line", "agent/members", "agent/notify", "agent/silence", "config", "firewall", "firewall/policy"},
	"agent/watch":       {"agent", "agent/api", "agent/display", "agent/explain", "agent/loop"},
	"agent/uptime":      {"agent/enforce", "firewall/policy", "store"},
	"agent/web":         {"agent/allow", "agent/api", "agent/display", "agent/enforce", "agent/explain", "agent/line", "agent/members", "agent/trouble", "config", "firewall/policy"},
	"config":            {"detect/pattern"},
	"detect":            {"detect/arena", "detect/memory", "detect/redundant"},
	"detect/memory":     {"detect/arena", "detect/redundant"},
	"detect/panos":      {"detect", "detect/panos/extension"},
	"detect/pattern":    {"detect", "detect/panos"},
	"firewall":          {"firewall/capacity", "firewall/room", "firewall/xmlapi"},
	"firewall/capacity": {"firewall/xmlapi"},
	"firewall/ours":     {"firewall", "firewall/xmlapi"},
	"firewall/policy":   {"firewall", "firewall/capacity", "firewall/decision", "firewall/ours", "firewall/policy/byhand", "firewall/policy/panorama", "firewall/xmlapi"},
	"store":             {"migrations", "store/archive", "store/block"},
	"store/archive":     {"store/block"},
	"store/transfer":    {"store"},

	"firewall/policy/byhand":   {"firewall/xmlapi"},
	"firewall/policy/panorama": {"firewall/policy/byhand", "firewall/xmlapi"},

	// The simulated firewall, and what uses it.
	"cmd/bench":                    append(halls("userid"), "detect", "detect/panos", "firewall/panosim"),
	"cmd/demo":                     append(halls("jobs", "traffic", "userid"), "agent", "agent/enforce", "agent/explain", "config", "detect", "store", "firewall/panosim", "firewall/policy"),
	"cmd/panosim":                  append(halls("dialect", "logs", "traffic", "userid"), "firewall/panosim"),
	"firewall/panosim":             halls("answer", "archive", "candidate", "dataplane", "devicegroup", "dialect", "edl", "jobs", "logs", "network", "traffic", "userid", "xmltree"),
	"firewall/panosim/answer":      halls("xmltree"),
	"firewall/panosim/archive":     halls("answer", "dialect", "filter", "iprange", "logs", "xmltree"),
	"firewall/panosim/candidate":   halls("answer", "devicegroup", "dialect", "jobs", "schema", "xmltree"),
	"firewall/panosim/dataplane":   halls("answer", "dialect", "logs", "traffic", "userid", "xmltree"),
	"firewall/panosim/devicegroup": halls("answer", "dialect", "xmltree"),
	"firewall/panosim/edl":         halls("answer", "dialect", "iprange", "jobs", "traffic", "xmltree"),
	"firewall/panosim/jobs":        halls("answer", "dialect"),
	"firewall/panosim/logs":        halls("answer", "dialect", "filter", "iprange", "traffic", "xmltree"),
	"firewall/panosim/network":     halls("answer", "xmltree"),
	"firewall/panosim/schema":      halls("devicegroup", "dialect", "xmltree"),
	"firewall/panosim/traffic":     halls("answer", "devicegroup", "dialect", "iprange", "userid", "xmltree"),
	"firewall/panosim/userid":      halls("answer", "dialect", "filter", "iprange", "xmltree"),
}

// halls are those of the simulated firewall.
func halls(names ...string) []string {
	var out []string
	for _, name := range names {
		out = append(out, "firewall/panosim/"+name)
	}
	return out
}

// topLevel is what stands at the top, dot files apart; fixed by the user.
var topLevel = []string{"README.md", "agent", "cmd", "config", "detect", "firewall", "go.mod", "go.sum", "migrations", "store"}

const root = "../.."

func TestTheTopLevelIsAsFixed(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}

func TestImportsRunOneWay(t *testing.T) {
	checked := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			ours, ok := strings.CutPrefix(name, "activedefense/")
			if !ok {
				continue
			}
			checked++
			if !slices.Contains(allowed[filepath.ToSlash(folder)], ours) {
				t.Errorf("%s imports %s, which the layout does not allow", path, ours)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Fatal("no import was checked")
	}
}

func TestOnlyOnePackageImportsPango(t *testing.T) {
	found := false
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !strings.HasPrefix(name, "github.com/PaloAltoNetworks/pango") {
				continue
			}
			found = true
			if filepath.Dir(path) != filepath.Join(root, "firewall", "xmlapi") {
				t.Errorf("%s imports %s", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		t.Fatal("nothing imports pango")
	}
}

func TestThePureCoreDoesNoInputOrOutput(t *testing.T) {
	forbidden := []string{"os", "net", "net/http", "io", "io/fs", "log", "context", "database/sql", "github.com/rs/zerolog"}
	for _, folder := range []string{"detect", "detect/panos", "detect/panos/extension", "detect/pattern"} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", folder, err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range file.Imports {
				if name, _ := strconv.Unquote(spec.Path.Value); slices.Contains(forbidden, name) {
					t.Errorf("%s imports %s: detection is pure", path, name)
				}
			}
		}
	}
}

// TestDetectionAndPlansStartNoGoroutine: .ci/run tests what stands below detect, which is so throughout, without the race detector, and of
// firewall/policy, whose tests have a firewall and a clock that go on by themselves, little with it.
func TestDetectionAndPlansStartNoGoroutine(t *testing.T) {
	imports := []string{"sync", "sync/atomic", "testing/synctest", "unsafe"} // the race detector checks pointers, too
	calls := []string{"AfterFunc", "Go", "Parallel", "RunParallel"}
	policies, err := filepath.Glob(filepath.Join(root, "firewall", "policy", "*.go"))
	files := slices.DeleteFunc(policies, func(path string) bool { return strings.HasSuffix(path, "_test.go") })
	if err != nil || len(files) == 0 {
		t.Fatalf("firewall/policy: %v", err)
	}
	known := len(files)
	err = filepath.WalkDir(filepath.Join(root, "detect"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == known {
		t.Fatalf("detect: %v", err)
	}
	for _, path := range files {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if name, _ := strconv.Unquote(spec.Path.Value); slices.Contains(imports, name) {
				t.Errorf("%s imports %s: test it with the race detector in .ci/run", path, name)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			starts := false
			switch x := n.(type) {
			case *ast.GoStmt:
				starts = true
			case *ast.SelectorExpr:
				starts = slices.Contains(calls, x.Sel.Name)
			}
			if starts {
				t.Errorf("%s starts a goroutine: test it with the race detector in .ci/run", set.Position(n.Pos()))
			}
			return true
		})
	}
}

// What a room may hold before it is too full to find anything in. Tests are not counted.
const (
	mostFiles   = 25   // of a folder
	mostMethods = 40   // of a type
	mostLines   = 60   // of a function
	agentLines  = 2500 // of the folder agent itself, which only wires
)

func TestNoRoomIsTooFull(t *testing.T) {
	files, methods, agent := map[string]int{}, map[string]int{}, 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		folder := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), root+string(filepath.Separator)))
		files[folder]++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		if folder == "agent" {
			agent += set.File(file.Pos()).LineCount()
		}
		for _, declared := range file.Decls {
			f, ok := declared.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; n > mostLines {
				t.Errorf("%s: %s has %d lines", path, f.Name.Name, n)
			}
			if f.Recv != nil {
				methods[folder+"."+receiver(f.Recv.List[0].Type)]++
			}
		}
		return nil
	})
	if err != nil || len(files) == 0 || len(methods) == 0 {
		t.Fatalf("%d folders, %d types: %v", len(files), len(methods), err)
	}
	for folder, n := range files {
		if n > mostFiles {
			t.Errorf("%s holds %d files", folder, n)
		}
	}
	for name, n := range methods {
		if n > mostMethods {
			t.Errorf("%s has %d methods", name, n)
		}
	}
	if agent >= agentLines {
		t.Errorf("agent has %d lines", agent)
	}
}

// receiver is the name of a method's type, without pointer and type parameters.
func receiver(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.IndexListExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}
