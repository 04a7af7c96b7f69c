package listen

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"activedefense/agent/tail"
)

// What an input has received is read to its end when it listens elsewhere, or no more, and its folder goes behind that.
func TestWhatAFormerInputReceivedIsReadToItsEnd(t *testing.T) {
	all := inputsAt("tcp://127.0.0.1:"+quietPort(t), "udp://[::1]:"+quietPort(t))
	all[0].Reading = []byte("as it was")
	k := newKit(t)
	k.stop()
	k.o.Inputs, k.o.Readable = all, func(reading []byte) error {
		if string(reading) != "as it was" {
			return errors.New("is of another world")
		}
		return nil
	}
	k.start()
	k.send(0, "<14>one\n<14>two\n")
	folder := filepath.Join(k.o.Dir, folderOf(&all[0]))
	k.must(os.RemoveAll(folder)) // a person does not know better
	k.send(0, "<14>one\n<14>two\n")
	k.eventually("how it is read is noted again", func() bool {
		text, _ := os.ReadFile(filepath.Join(folder, readingFile))
		return string(text) == "as it was"
	})
	k.stop()
	// A run that was killed left half a line, and one that was sealed.
	k.must(os.WriteFile(filepath.Join(folder, "192.0.2.1.log"), append(signature(), "three\nhal"...), 0o600))
	k.must(os.WriteFile(filepath.Join(folder, "192.0.2.1.log.00000000000000000001"), append(signature(), "before three\n"...), 0o600))
	k.must(os.WriteFile(filepath.Join(folder, "192.0.2.2.log"), nil, 0o600))
	k.must(os.WriteFile(filepath.Join(folder, "192.0.2.3.log.00000000000000000001"), append(signature(), "sealed\n"...), 0o600))
	k.must(os.Mkdir(filepath.Join(k.o.Dir, "tcp-any-514"), 0o700))
	k.o.Inputs = all[1:]
	k.start()
	if _, err := os.Stat(filepath.Join(k.o.Dir, "tcp-any-514")); !os.IsNotExist(err) {
		t.Errorf("an empty folder is left: %v", err)
	}
	former := k.server.Former()
	if len(former) != 1 || former[0].URL != all[0].URL || string(former[0].Reading) != "as it was" || len(k.server.Troubles(k.now())) != 0 {
		t.Fatalf("%+v, %+v", former, k.server.Troubles(k.now()))
	}
	set, err := tail.Open(t.Context(), tail.Options{Inputs: []tail.Input{{Pattern: former[0].Pattern, Sealed: true, Ending: true}}}, nil)
	k.must(err)
	defer set.Close()
	var got []string
	used := map[*tail.Stream]tail.Mark{}
	positions := func(context.Context) (known []Position, err error) {
		for _, st := range set.Streams() {
			for _, p := range st.Position(used[st]) {
				known = append(known, Position{Path: p.Path, Device: p.Device, Inode: p.Inode, Fingerprint: p.Fingerprint, FingerprintLen: p.FingerprintLen, Offset: p.Offset, Done: p.Done})
			}
		}
		return known, nil
	}
	f := k.server.former[0]
	k.must(f.keepOnce(t.Context(), positions))
	if f.finish() || f.bytes() == 0 {
		t.Fatal("what was not read is deleted")
	}
	for range 2 {
		for _, st := range set.Streams() {
			for {
				line, ok := st.Next()
				if !ok {
					break
				}
				if text := strings.TrimSpace(string(line.Data)); text != "" {
					got = append(got, text)
				}
				used[st] = tail.Mark{File: line.File, Next: line.Next}
			}
		}
		k.must(set.Refresh(t.Context()))
	}
	slices.Sort(got)
	if strings.Join(got, "|") != "<14>one|<14>two|before three|sealed|three" {
		t.Errorf("%q", got)
	}
	k.must(f.keepOnce(t.Context(), positions))
	if !f.finish() {
		t.Errorf("%d bytes are left", f.bytes())
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
	// That it is gone is no trouble.
	k.must(set.Refresh(t.Context()))
	for _, st := range set.Streams() {
		if err := st.Status(used[st]).Err; err != nil {
			t.Error(err)
		}
	}
}

// So it is where the input stays, and reads its lines otherwise from then on; and where that is as it was, it goes on in the folder that it had.
func TestWhatWasReceivedIsReadAsItWasThen(t *testing.T) {
	k := newKit(t)
	k.stop()
	k.o.Inputs = inputsAt("tcp://127.0.0.1:" + quietPort(t))
	k.o.Readable = func([]byte) error { return nil }
	readAs := func(reading string) {
		k.stop()
		k.o.Inputs[0].Reading = []byte(reading)
		k.start()
	}
	earlier := filepath.Join(k.o.Dir, addressOf(&k.o.Inputs[0])) // which an earlier version left, and of which nothing is known
	k.must(os.Mkdir(earlier, 0o700))
	k.must(os.WriteFile(filepath.Join(earlier, "192.0.2.1.log"), append(signature(), "old\n"...), 0o600))
	for i, reading := range []string{"a", "b", "a", "c"} {
		readAs(reading)
		k.send(0, "<14>"+reading+"\n")
		got := map[string]string{}
		read := func(reading, pattern string) {
			files, err := filepath.Glob(pattern)
			k.must(err)
			for _, f := range files {
				text, err := os.ReadFile(f)
				k.must(err)
				got[reading] += strings.Join(strings.Fields(string(text)), "")
			}
		}
		read(reading, Pattern(k.o.Dir, &k.o.Inputs[0]))
		for _, f := range k.server.Former() {
			if f.URL != k.o.Inputs[0].URL {
				t.Errorf("of %s", f.URL)
			}
			read(string(f.Reading), f.Pattern)
		}
		want := []map[string]string{{"a": "<14>aold"}, {"a": "<14>aold", "b": "<14>b"}, {"a": "<14>a<14>aold", "b": "<14>b"}, {"a": "<14>a<14>aold", "b": "<14>b", "c": "<14>c"}}[i]
		if !maps.Equal(sorted(got), sorted(want)) || len(k.server.Troubles(k.now())) != 0 {
			t.Errorf("read are %v, want %v; %+v", got, want, k.server.Troubles(k.now()))
		}
	}
}

// sorted gives the letters of each text in their order: folders are read in any.
func sorted(texts map[string]string) map[string]string {
	for key, text := range texts {
		letters := strings.Split(text, "")
		slices.Sort(letters)
		texts[key] = strings.Join(letters, "")
	}
	return texts
}

// A folder of which it is not known how to read it is kept, and told with what is in it and what to do, until a person has deleted it.
func TestAFolderThatCannotBeReadIsTold(t *testing.T) {
	for note, why := range map[string]string{"": "its input.json, which says how its lines are read, is missing", "damaged": "input.json: is of another world"} {
		k := newKit(t)
		k.stop()
		folder := filepath.Join(k.o.Dir, "tls-::-6514")
		k.must(os.Mkdir(folder, 0o700))
		k.must(os.WriteFile(filepath.Join(folder, "192.0.2.1.log"), append(signature(), "one\n"...), 0o600))
		if note != "" {
			k.must(os.WriteFile(filepath.Join(folder, readingFile), []byte(note), 0o600))
		}
		k.o.Readable = func([]byte) error { return errors.New("is of another world") }
		k.start()
		told := k.server.Troubles(k.now())
		want := "input: " + folder + " holds 69 bytes that were received at tls://[::]:6514 by an input that is no more or was changed, and they are not read: " + why
		if len(told) != 1 || told[0].What != want || !strings.Contains(told[0].Remedy, "listen at tls://[::]:6514 again") || len(k.server.Former()) != 0 {
			t.Errorf("%+v", told)
		}
		k.must(os.RemoveAll(folder))
		k.eventually("it is over", func() bool { return len(k.server.Troubles(k.now())) == 0 })
	}
}
