package launch_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"ringloom/launch"
)

// Three ranks, of which the second fails: the launch names it, though the others end with errors as well.
func ExampleRun() {
	c := launch.Default()
	c.Ranks = 3
	c.Command = []string{"sh", "-c", `if [ -n "$RINGLOOM_ANNOUNCE_FD" ]; then eval "echo 127.0.0.1:1 >&$RINGLOOM_ANNOUNCE_FD"; fi
		if [ $RINGLOOM_LOCAL_RANK = 1 ]; then exit 3; fi
		exit 5 # as a rank that another one's end has ended`}
	c.Env, c.Stdout, c.Stderr = os.Environ(), os.Stdout, os.Stderr
	c.Consequence = func(code int) bool { return code == 5 }

	_, err := launch.Run(context.Background(), c)
	var failed *launch.Failure
	if errors.As(err, &failed) {
		fmt.Println("rank", failed.Rank, "failed with exit code", failed.Code)
	}
	// Output: rank 1 failed with exit code 3
}
