package codec

func setFast(to bool) { fast = to }
