"""What reads and edits messages in core/dns as a shared library, for pages that judge it with dnspython."""
import ctypes
import os
import subprocess

from harness import ROOT

# The rest of core/dns stands on more than itself.
SOURCES = ["err.c"] + ["dns/" + f + ".c" for f in (
    "answer", "ecs", "edit", "inspect", "message", "name", "option", "rdata", "record", "rewrite", "spoof", "svcb",
    "text", "ttl")]

u8, u16, u32 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32
size, ptr, boolean = ctypes.c_size_t, ctypes.c_char_p, ctypes.c_bool

OPTION_REPLACE, OPTION_KEEP, OPTION_APPEND = range(3)
OPTION_UNCHANGED, OPTION_ADDED, OPTION_ADDED_OPT, OPTION_REPLACED = range(4)
SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL = range(3)
USUAL, CLEAR, SET = range(3)

TTL_EDIT = ctypes.CFUNCTYPE(u32, ctypes.c_void_p, ctypes.c_int, u16, u16, u32)
BELOW = ctypes.CFUNCTYPE(u32, u32)


class Question(ctypes.Structure):
    _fields_ = [(n, u16) for n in ("name_len", "qtype", "qclass", "end")]


class Opt(ctypes.Structure):
    _fields_ = [("at", u16), ("len", u16), ("payload", u16), ("ext_rcode", u8), ("version", u8),
                ("dnssec_ok", boolean), ("is_last", boolean)]


class Option(ctypes.Structure):
    _fields_ = [("code", u16), ("len", u16), ("data", ptr)]


class TypeSet(ctypes.Structure):
    _fields_ = [("types", ctypes.POINTER(u16)), ("n", size)]

    def __init__(self, types):
        super().__init__((u16 * len(types))(*types), len(types))


class Form(ctypes.Structure):
    _fields_ = [("aa", u8), ("ad", u8), ("ra", u8), ("opt", ctypes.POINTER(Opt)), ("payload", u16)]


class Spoof(ctypes.Structure):
    _fields_ = [("form", Form), ("ttl_s", u32), ("below", BELOW)]


class Value(ctypes.Structure):
    _fields_ = [("data", ptr), ("len", u16)]


def values(list_of_bytes):
    return (Value * len(list_of_bytes))(*[Value(b, len(b)) for b in list_of_bytes])


class AnswerRecord(ctypes.Structure):
    _fields_ = [("owner", ptr), ("owner_len", size), ("type", u16), ("ttl_s", u32), ("rdata", ptr),
                ("rdata_len", size)]


class SoaTimes(ctypes.Structure):
    _fields_ = [(n, u32) for n in ("serial", "refresh_s", "retry_s", "expire_s", "minimum_s")]


class SvcValue(ctypes.Structure):
    _fields_ = [("data", ptr), ("len", size)]


class SvcParam(ctypes.Structure):
    _fields_ = [("key", u16), ("value", SvcValue)]


class SvcParams(ctypes.Structure):
    _fields_ = [("priority", u16), ("target", ptr), ("target_len", size), ("mandatory", ctypes.POINTER(u16)),
                ("n_mandatory", size), ("alpn", ctypes.POINTER(SvcValue)), ("n_alpn", size),
                ("no_default_alpn", boolean), ("has_port", boolean), ("port", u16), ("ipv4_hints", ptr),
                ("n_ipv4_hints", size), ("ech", SvcValue), ("ipv6_hints", ptr), ("n_ipv6_hints", size),
                ("others", ctypes.POINTER(SvcParam)), ("n_others", size)]


# Arguments after the message, its length, its room and its question.
EDITS = {
    "msg_add_ecs": [ptr, size, ctypes.c_uint, boolean, ctypes.POINTER(ctypes.c_int)],
    "msg_put_option": [ctypes.POINTER(Option), ctypes.c_int, u16, ctypes.POINTER(ctypes.c_int)],
    "msg_add_ede": [u16, ptr, size, boolean],
    "msg_pad": [size],
    "msg_clear_types": [ctypes.POINTER(TypeSet)],
    "msg_rename": [ptr, size],
    "msg_answer_empty": [ctypes.c_uint, ctypes.POINTER(Form)],
}
# After the message, its length and its question.
LOOKS = {
    "msg_remove_option": (size, [u16]),
    "msg_remove_opt": (size, []),
    "msg_limit_ttls": (ctypes.c_int, [u32, u32, ctypes.POINTER(TypeSet)]),
    "msg_cap_ttls": (ctypes.c_int, [u32]),
    "msg_reduce_ttls": (ctypes.c_int, [ctypes.c_uint]),
    "msg_edit_ttls": (ctypes.c_int, [TTL_EDIT, ctypes.c_void_p]),
    "msg_count_type": (ctypes.c_int, [ctypes.c_uint, u16]),
    "msg_has_trailing": (boolean, []),
    "msg_opt": (ctypes.c_int, [ctypes.POINTER(Opt)]),
}
# After the output, its room, the query and its question.
ANSWERS = {
    "msg_spoof_addrs": [ctypes.POINTER(Spoof), ctypes.POINTER(Value), size],
    "msg_spoof_raw": [ctypes.POINTER(Spoof), u16, ctypes.POINTER(Value), size],
    "msg_spoof_cname": [ctypes.POINTER(Spoof), ptr, size],
    "msg_spoof_svc": [ctypes.POINTER(Spoof), ctypes.POINTER(Value), size],
    "msg_spoof_negative": [ctypes.POINTER(Form), ctypes.c_uint, ctypes.c_int, ctypes.POINTER(AnswerRecord)],
}


def load(folder):
    path = os.path.join(folder, "dns.so")
    sources = [os.path.join(ROOT, "core", f) for f in SOURCES]
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-std=c11", "-I" + ROOT, "-o", path]
                   + sources, check=True)
    lib = ctypes.CDLL(path)
    question = ctypes.POINTER(Question)
    for name, rest in EDITS.items():
        getattr(lib, name).argtypes = [ptr, size, size, question] + rest
        getattr(lib, name).restype = size
    for name, (result, rest) in LOOKS.items():
        getattr(lib, name).argtypes = [ptr, size, question] + rest
        getattr(lib, name).restype = result
    for name, rest in ANSWERS.items():
        getattr(lib, name).argtypes = [ptr, size, ptr, question] + rest
        getattr(lib, name).restype = size
    lib.msg_remove_ecs.argtypes = [ptr, size, ctypes.c_int]
    lib.msg_undo_option.argtypes = [ptr, size, u16, ctypes.c_int]
    lib.soa_rdata.argtypes = [ptr, ptr, size, ptr, size, ctypes.POINTER(SoaTimes)]
    lib.svc_rdata.argtypes = [ctypes.POINTER(SvcParams), ptr, size, ctypes.c_void_p]
    lib.msg_question.argtypes = [ptr, size, question]
    for name in ("msg_remove_ecs", "msg_undo_option", "soa_rdata"):
        getattr(lib, name).restype = size
    return lib


class Packet:
    """A message in a buffer of its own, with some room behind it. Edits are methods: packet.msg_pad(128)."""

    def __init__(self, lib, wire, room=512):
        self.lib, self.len, self.cap = lib, len(wire), len(wire) + room
        self.buf = ctypes.create_string_buffer(wire, self.cap)
        self.find_question()

    def find_question(self):
        self.question = Question()
        assert self.lib.msg_question(self.buf, self.len, self.question) == 0

    @property
    def wire(self):
        return self.buf.raw[:self.len]

    def opt(self):
        opt = Opt()
        assert self.msg_opt(opt) == 0
        return opt

    def __getattr__(self, name):
        def call(*args):
            if name in EDITS:
                n = getattr(self.lib, name)(self.buf, self.len, self.cap, self.question, *args)
            elif name in ANSWERS:
                n = getattr(self.lib, name)(self.buf, self.cap, self.buf, self.question, *args)
            else:
                n = getattr(self.lib, name)(self.buf, self.len, self.question, *args)
                if LOOKS[name][0] is not size:
                    return n
            if n != 0:
                self.len = n
                self.find_question()
            return n
        if name not in EDITS and name not in ANSWERS and name not in LOOKS:
            raise AttributeError(name)
        return call
