extension BuiltInCorpus {
  /// The stories' grammar. Somebody has a wish, meets somebody, something goes wrong, help comes, and there
  /// is something to be learned; who, where and with what is drawn anew each time.
  static let grammar = ProbabilisticGrammar(
    start: "story",
    rules: [
      "story": (
        .uniform,
        [
          "{cast}{opening} {wish} {meeting} {talk} {trouble} {help} {ending}\n\n",
          "{cast}{opening} {pastime} {wish} {trouble} {talk} {help} {ending} {moral}\n\n",
          "{cast}{opening} {meeting} {pastime} {trouble} {search} {help} {talk} {ending}\n\n",
          "{cast}{opening} {wish} {search} {meeting} {talk} {help} {ending} {moral}\n\n",
        ]
      ),

      // Who: names from syllables, so that no list can be learned by heart.
      "cast": (
        .uniform,
        [
          "{he:=he}{him:=him}{his:=his}{child:=boy}{self:=himself}",
          "{he:=she}{him:=her}{his:=her}{child:=girl}{self:=herself}",
        ]
      ),
      "name": (.uniform, ["{onset}{vowel}{middle}{vowel}{coda}", "{onset}{vowel}{coda}"]),
      "onset": (
        .zipf,
        [
          "M", "L", "T", "B", "S", "R", "P", "D", "K", "N", "J", "H", "F", "G", "W", "Br", "Fl",
          "Tr",
          "Gr", "St", "Cl", "V", "Z",
        ]
      ),
      "vowel": (.zipf, ["a", "i", "o", "e", "u", "ee", "ai", "oo", "ie"]),
      "middle": (
        .zipf, ["l", "r", "n", "m", "t", "d", "nn", "ll", "b", "k", "s", "v", "rd", "st", "mp"]
      ),
      "coda": (.zipf, ["", "n", "a", "l", "r", "y", "s", "th", "m", "ck", "x"]),

      "opening": (
        .zipf,
        [
          "Once upon a time, there was a {trait} {$child} named {hero=name}. {^he} lived {place=place} "
            + "with {$his} {relative=relative}.",
          "{hero=name} was a {trait} {$child} who lived {place=place}.",
          "In a {size} house {place=place} lived a {$child} called {hero=name} and {$his} "
            + "{relative=relative}.",
          "Long ago, when the {sky} was still young, a {trait} {$child} named {hero=name} came to live "
            + "{place=place}.",
          "Nobody {place=place} was as {trait} as {hero=name}, the {$child} with the {color} {garment}.",
        ]
      ),
      "wish": (
        .zipf,
        [
          "{^he} had always wanted {thing=article_thing}.",
          "More than anything, {$hero} wished for {thing=article_thing}.",
          "One {weather} {daytime}, {$he} dreamed of {thing=article_thing} and could not forget it.",
          "\"If only I had {thing=article_thing},\" {$hero} often said, \"I would be {mood} all day.\"",
        ]
      ),
      "pastime": (
        .zipf,
        [
          "Every {daytime}, {$he} liked to {activity} {near} the {landmark=landmark}.",
          "When it was {weather}, {$hero} would {activity} or {activity}.",
          "{^he} could {activity} better than anyone, and {$he} knew it.",
          "On {weekday}s, {$hero} and {$his} {relative} used to {activity} until the {sky} came out.",
        ]
      ),
      "meeting": (
        .zipf,
        [
          "{near2} the {landmark}, {$hero} met {friend=article_animal}.",
          "One {weather} {daytime}, {friend=article_animal} came to the door and looked very {mood}.",
          "Then {friend=article_animal} with {number} {color} {part} jumped out of the {landmark}.",
          "That {daytime}, {$he} saw {friend=article_animal} sitting {near} the {landmark}, {doing}.",
        ]
      ),
      "talk": (
        .zipf,
        [
          "\"Why are you so {mood}?\" asked {$hero}. \"Because I {reason},\" was the {quality} answer.",
          "\"{greeting}, {$hero},\" it said. \"Will you {activity} with me?\" {^he} {reply}.",
          "\"{greeting}!\" said {$hero}. \"My name is {$hero}. What do you {verb}?\"",
          "They talked about {topic} and {topic} until it was {time}.",
          "\"I will tell you a secret,\" {$he} whispered. \"Last {weekday} I {reason}.\"",
        ]
      ),
      "trouble": (
        .zipf,
        [
          "But then a {size} {storm} came and {damage} the {landmark}.",
          "Suddenly {$hero} heard a {quality} noise. {intruder=article_animal2} had {stolen} the {object}!",
          "But {$he} forgot the {object} at the {landmark}, and when {$he} came back it was gone.",
          "On the way home, {$he} fell and hurt {$his} {bodypart}. It was {mood2} and the {sky} was far away.",
          "The {object} broke into {number} pieces, and {$hero} began to {cry}.",
        ]
      ),
      "search": (
        .zipf,
        [
          "{^he} looked {near} the {landmark}, behind the {landmark} and under the {object}.",
          "For {number} days {$hero} walked through {weather} weather, looking for the {object}.",
          "\"Where can it be?\" {$he} asked {$his} {relative}, but nobody knew.",
        ]
      ),
      "help": (
        .zipf,
        [
          "A kind {animal} {helped} and gave {$him} {article_thing}.",
          "{^he} took a deep breath, used the {object} and {solved} {adverb}.",
          "\"Do not worry,\" said the {animal}. \"I know how to {activity}.\" Together they {solved}.",
          "{$hero} shared {$his} {food} with the {animal}, who {helped} {adverb}.",
          "With {number} {color} {material} and a lot of {feeling}, {$hero} {solved}.",
        ]
      ),
      "ending": (
        .zipf,
        [
          "From that day on, {$hero} was never {mood} again.",
          "They went home {place2} and ate {food} with {food}.",
          "{^he} hugged {$his} {relative} and fell asleep, dreaming of {topic}.",
          "And if you go to the {landmark} on a {weather} {daytime}, you can still see {$hero} {doing}.",
          "\"Thank you,\" said {$hero}, and {$he} meant it. They were friends for {number} years.",
        ]
      ),
      "moral": (
        .zipf,
        [
          "{$hero} learned that {lesson}.", "So remember: {lesson}.",
          "\"Now I know that {lesson},\" {$he} told {$self}.",
        ]
      ),

      "trait": (
        .zipf,
        [
          "little", "brave", "curious", "kind", "clever", "shy", "happy", "lonely", "cheerful",
          "stubborn",
          "quiet", "lazy", "proud", "gentle", "careful", "playful", "honest", "impatient",
        ]
      ),
      "size": (.zipf, ["small", "big", "tiny", "huge", "narrow", "tall", "enormous", "crooked"]),
      "relative": (
        .zipf,
        [
          "mother", "father", "grandmother", "brother", "sister", "grandfather", "aunt", "uncle",
          "cousin",
        ]
      ),
      "place": (
        .zipf,
        [
          "near the forest", "by the sea", "in a small village", "at the edge of the town",
          "on a hill", "beside a river", "in the mountains", "under an old bridge", "in the desert",
          "on an island", "behind the mill", "far away in the north",
        ]
      ),
      "place2": (
        .zipf,
        ["through the rain", "over the bridge", "hand in hand", "along the river", "in the dark"]
      ),
      "landmark": (
        .zipf,
        [
          "tree", "river", "garden", "bridge", "well", "barn", "pond", "market", "lighthouse",
          "cave",
          "fence", "mill", "tower", "school", "harbor", "meadow", "station", "bakery", "orchard",
          "castle",
        ]
      ),
      "near": (.zipf, ["near", "behind", "next to", "in front of", "not far from", "around"]),
      "near2": (.zipf, ["Near", "Behind", "Next to", "Not far from"]),
      "weather": (
        .zipf,
        ["sunny", "rainy", "cold", "windy", "warm", "foggy", "snowy", "stormy", "bright", "gray"]
      ),
      "daytime": (
        .zipf, ["morning", "day", "evening", "afternoon", "night", "autumn day", "winter"]
      ),
      "time": (
        .zipf, ["dark", "late", "time for bed", "midnight", "noon", "too cold to sit outside"]
      ),
      "weekday": (
        .uniform,
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
      ),
      "sky": (.zipf, ["sun", "moon", "stars", "evening star", "northern lights"]),
      "storm": (.zipf, ["storm", "wind", "flood", "wave", "fire", "avalanche", "cloud of dust"]),
      "damage": (
        .zipf, ["broke", "carried away", "covered", "shook", "washed away", "burned down"]
      ),
      "animal": (
        .zipf,
        [
          "dog", "cat", "bird", "rabbit", "fox", "bear", "mouse", "frog", "duck", "horse", "wolf",
          "squirrel", "hedgehog", "turtle", "goat", "sheep", "pig", "hen", "crow", "badger",
          "beaver",
          "snail", "bee", "whale", "lion", "tiger", "camel", "monkey", "seal", "lynx",
        ]
      ),
      "article_animal": (
        .uniform, ["a {mood} {animal}", "a {size} {animal}", "a {color} {animal}"]
      ),
      "article_animal2": (.uniform, ["A {mood} {animal}", "A {size} {color} {animal}"]),
      "object": (
        .zipf,
        [
          "ball", "book", "kite", "boat", "key", "lamp", "drum", "basket", "hat", "bell", "map",
          "box",
          "clock", "mirror", "whistle", "ladder", "wheel", "rope", "spoon", "violin", "compass",
          "blanket",
        ]
      ),
      "article_thing": (
        .uniform,
        [
          "a {color} {object}", "a {size} {object}", "a {object} made of {material}",
          "a {object} as {quality} as the {sky}", "a {object}",
        ]
      ),
      "material": (
        .zipf,
        [
          "wood", "gold", "paper", "glass", "silver", "stone", "wool", "clay", "straw", "iron",
          "ice",
        ]
      ),
      "color": (
        .zipf,
        [
          "red", "blue", "green", "yellow", "white", "black", "brown", "golden", "purple", "orange",
          "pink", "striped", "spotted",
        ]
      ),
      "garment": (.zipf, ["coat", "hat", "scarf", "boots", "dress", "gloves", "apron", "socks"]),
      "part": (
        .zipf, ["spots", "feathers", "stripes", "teeth", "whiskers", "tails", "horns", "shells"]
      ),
      "bodypart": (.zipf, ["knee", "foot", "hand", "nose", "elbow", "head", "finger", "shoulder"]),
      "mood": (
        .zipf,
        [
          "sad", "happy", "tired", "angry", "hungry", "scared", "sleepy", "bored", "excited",
          "worried",
          "grumpy", "thirsty", "surprised",
        ]
      ),
      "mood2": (.zipf, ["dark", "cold", "quiet", "late", "raining", "snowing"]),
      "quality": (
        .zipf,
        ["loud", "soft", "strange", "short", "wonderful", "terrible", "beautiful", "funny", "deep"]
      ),
      "number": (
        .zipf,
        [
          "two", "three", "seven", "four", "five", "ten", "a hundred", "six", "twelve", "eight",
          "nine",
          "forty", "a thousand",
        ]
      ),
      "activity": (
        .zipf,
        [
          "play", "sing", "run", "swim", "climb", "read", "dance", "fish", "paint", "dig holes",
          "count stars", "build towers", "bake bread", "tell jokes", "collect shells", "fly kites",
          "repair clocks", "whistle songs",
        ]
      ),
      "doing": (
        .zipf,
        [
          "singing", "sleeping", "crying", "laughing", "eating {food}", "counting {part}",
          "reading",
          "dancing", "waiting", "looking at the {sky}", "talking to the {animal}",
        ]
      ),
      "verb": (.zipf, ["want", "see", "like", "eat", "need", "think", "dream of", "hear", "know"]),
      "reason": (
        .zipf,
        [
          "lost my {object}", "cannot {activity}", "have no friends", "ate too much {food}",
          "saw a {size} {animal}", "broke the {object}", "am afraid of the {storm}",
          "forgot how to {activity}", "cannot find the {landmark}", "miss my {relative}",
        ]
      ),
      "greeting": (
        .zipf, ["Hello", "Good morning", "Look", "Oh no", "Wait", "Good evening", "Welcome"]
      ),
      "reply": (
        .zipf,
        [
          "said yes", "nodded", "laughed", "did not know what to say", "said no and walked away",
          "thought about it for {number} minutes", "ran home at once",
        ]
      ),
      "topic": (
        .zipf,
        [
          "the {sky}", "the {weather} weather", "{food}", "the sea", "their {part}",
          "the {landmark}",
          "{size} {material} boats", "{number} {animal}s", "the old days",
          "what to do on {weekday}",
        ]
      ),
      "stolen": (.zipf, ["taken", "stolen", "hidden", "eaten", "broken", "painted"]),
      "cry": (.zipf, ["cry", "shout", "tremble", "think", "laugh", "pick them up"]),
      "helped": (
        .zipf,
        [
          "helped", "came by", "listened", "brought {material}", "showed {$him} the way",
          "pulled hard",
        ]
      ),
      "solved": (
        .zipf,
        [
          "found the {object}", "repaired everything", "put it together again",
          "built a new {object}",
          "scared the {animal} away", "crossed the {landmark}", "made the {relative} smile",
        ]
      ),
      "adverb": (
        .zipf, ["quickly", "gladly", "slowly", "without a word", "at once", "bravely", "again"]
      ),
      "food": (
        .zipf,
        [
          "bread", "soup", "apples", "cake", "cheese", "honey", "berries", "pie", "nuts", "carrots",
          "pancakes", "plums", "rice", "milk",
        ]
      ),
      "feeling": (.zipf, ["patience", "courage", "luck", "hope", "noise", "laughter", "care"]),
      "lesson": (
        .zipf,
        [
          "it is good to share", "friends help each other", "even a {animal} can be brave",
          "you should look twice", "a {object} is not everything", "being {trait} is not a shame",
          "it is better to ask than to cry", "every {storm} ends",
        ]
      ),
    ])
}
