package driver

import "testing"

func TestSameUUID(t *testing.T) {
	const digits = "5c4e1a2b-0000-1111-2222-333344445555"
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"GPU-" + digits, "GPU-" + digits, true},
		{"GPU-" + digits, "MIG-" + digits, true},
		{"mig-" + digits, "GPU-5C4E1A2B-0000-1111-2222-333344445555", true},
		{"GPU-" + digits, "GPU-5c4e1a2b-0000-1111-2222-333344446666", false},
		{"GPU-" + digits, "TPU-" + digits, false},
		{"GPU-" + digits, "GPU-", false},
		{"GPU-" + digits, "", false},
	} {
		if SameUUID(c.a, c.b) != c.same || SameUUID(c.b, c.a) != c.same {
			t.Errorf("%q and %q: the same is %v", c.a, c.b, !c.same)
		}
	}
}
