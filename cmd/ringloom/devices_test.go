package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"ringloom/nn/cuda/driver"
)

// TestDevices holds for every build and machine: a line for each device, and for what cannot be used the reason.
func TestDevices(t *testing.T) {
	code, output, _ := ringloom(t, "devices", "--json")
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, output)
	}
	var rows []deviceRow
	for _, line := range strings.Split(strings.TrimSpace(output), "\n") {
		r := deviceRow{gpuFacts: &gpuFacts{}} // encoding/json cannot make an embedded pointer of its own
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
		if r.Usable != (r.About != "") || r.Usable == (r.Problem != "") {
			t.Errorf("usable, or else with a problem: %s", line)
		}
	}
	infos, err := driver.Devices()
	if want := 2 + max(1, len(infos)); len(rows) != want {
		t.Fatalf("%d lines, want %d:\n%s", len(rows), want, output)
	}
	if rows[0].Device != "cpu" || rows[1].Device != "purego" || !rows[1].Usable {
		t.Errorf("the first lines are not cpu and a usable purego:\n%s", output)
	}
	if err != nil && (rows[2].Device != "cuda" || rows[2].Problem != err.Error()) {
		t.Errorf("%+v, want the problem %q", rows[2], err)
	}
	for i, info := range infos {
		if r := rows[2+i]; r.UUID != info.UUID || r.MemoryBytes != info.MemoryBytes || r.FreeBytes <= 0 || !strings.HasPrefix(r.Device, "cuda:") {
			t.Errorf("%+v %+v is not %+v", r, *r.gpuFacts, info)
		}
	}

	code, table, _ := ringloom(t, "devices")
	for _, r := range rows {
		if code != 0 || !strings.Contains(table, r.Device) || r.Problem != "" && !strings.Contains(table, r.Problem) {
			t.Errorf("exit code %d, the table lacks %+v:\n%s", code, r, table)
		}
	}
}

func TestDevicesHelpNamesFields(t *testing.T) {
	long := devicesCommand().Long
	for _, form := range []reflect.Type{reflect.TypeFor[deviceRow](), reflect.TypeFor[gpuFacts]()} {
		for i := range form.NumField() {
			name, _, _ := strings.Cut(form.Field(i).Tag.Get("json"), ",")
			if name == "" && form.Field(i).Anonymous {
				continue
			}
			if name == "" || !strings.Contains(long, name) {
				t.Errorf("--help does not name field %s (%q)", form.Field(i).Name, name)
			}
		}
	}
}
