"""Made-up Chinese texts for synthetic data: names of categories and tags, captions, hashtags."""

import numpy as np

NAMES = (
    "颜值", "高新数码", "喜剧", "明星娱乐", "亲子", "美食", "时尚", "运动", "音乐", "游戏", "舞蹈", "宠物",
    "摄影", "情感", "旅游", "汽车", "读书", "科学", "三农", "影视", "艺术", "健康", "奇人异象", "民生资讯",
)  # fmt: skip
WORDS = (
    "今天", "真好看", "一起", "快来", "生活", "记录", "美好", "哈哈", "小技巧", "回家", "朋友", "我们的", "第一次",
    "，", "！", " ", "🔥", "❤️", "学会了吗", "你喜欢吗", "看到最后", "好吃", "孩子", "春天", "太甜了",  # noqa: RUF001
)  # fmt: skip
COVERS = ("真人真事", "开心一刻", "看到最后", "太甜了", "老人言")
HASHTAGS = ("感谢快手我要上热门", "作品推广", "高清视频", "日常", "换背景", "小小喵", "家乡美", "搞笑")
WORDS_A_CAPTION = (3, 24)


def caption(generator: np.random.Generator, tags: list[str]) -> str:
    """Some words, then the hashtags."""
    count = generator.integers(*WORDS_A_CAPTION)
    words = "".join(WORDS[number] for number in generator.integers(0, len(WORDS), count))
    return " ".join([words, *(f"#{tag}" for tag in tags)])
