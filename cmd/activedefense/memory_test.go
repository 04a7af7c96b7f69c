package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// peakMemory is the largest resident set of a finished process, in bytes.
func peakMemory(cmd *exec.Cmd) int64 {
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
}

func TestAMillionSourcesFitInto400MiB(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	log := filepath.Join(w.dir, "million.log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	sources := 1_000_000
	if raceEnabled {
		sources = 100_000
	}
	at := time.Now().UTC()
	for i := range sources {
		out.Write(sample{at: at, src: fmt.Sprintf("%d.%d.%d.%d", 20+i>>16, i>>12&15, i>>6&63, i&63+1), dst: fmt.Sprintf("198.51.100.%d", i%250),
			port: 1 + i%60000, typ: "TRAFFIC", subtype: "drop"}.line())
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	cmd := w.command("replay", log)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if want := grouped(sources) + " records"; !strings.Contains(string(output), want) {
		t.Errorf("%s does not say %q", output, want)
	}
	peak := peakMemory(cmd)
	t.Logf("%s peak %d MiB", output, peak>>20)
	if limit := int64(400 << 20); peak > limit && !raceEnabled {
		t.Errorf("a million sources take %d MiB", peak>>20)
	}
}
